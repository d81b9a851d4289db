// RelayTests
