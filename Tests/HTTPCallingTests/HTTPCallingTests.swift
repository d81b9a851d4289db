// HTTPCallingTests
