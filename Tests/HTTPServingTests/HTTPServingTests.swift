// HTTPServingTests
