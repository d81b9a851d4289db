// FeedTests
