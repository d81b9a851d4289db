// LocalStoreTests
