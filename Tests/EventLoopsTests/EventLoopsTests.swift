// EventLoopsTests
