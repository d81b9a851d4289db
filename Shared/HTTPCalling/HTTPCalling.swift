// HTTPCalling
