package import HTTPServing

extension CrossOrigin {
    /// Of the admin API.
    package static func admin(_ origins: [String]) -> CrossOrigin {
        CrossOrigin(
            origins: origins, methods: "GET, HEAD, POST, PUT, PATCH, DELETE",
            requestFields: "authorization, content-type, if-match, idempotency-key, last-event-id",
            answerFields:
                "etag, eclusa-change, eclusa-dry-run, idempotency-replayed, retry-after, x-request-id")
    }
}
