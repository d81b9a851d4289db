// StandInProviderTests
