/// What credentials look like, by the prefixes their makers gave them for this purpose.
enum SecretRules {
    static let all: [Detector.Rule] = [
        rule("aws_access_key", #"\b(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA)[A-Z0-9]{16}\b"#),
        rule("aws_secret_key", #"(?i)\baws.{0,20}(?:secret|key).{0,20}['"=: ][A-Za-z0-9/+]{40}\b"#),
        rule("google_api_key", #"\bAIza[0-9A-Za-z_\-]{35}"#),
        rule("google_oauth_token", #"\bya29\.[0-9A-Za-z_\-]{20,250}"#),
        rule("azure_storage_key", #"\bAccountKey=[A-Za-z0-9+/=]{86,88}"#),
        rule("github_token", #"\b(?:gh[pousr]_[A-Za-z0-9]{36,250}|github_pat_[A-Za-z0-9_]{22,250})"#),
        rule("gitlab_token", #"\bglpat-[A-Za-z0-9_\-]{20,250}"#),
        rule("slack_token", #"\bxox[abeoprs]-[A-Za-z0-9\-]{10,250}"#),
        rule("stripe_key", #"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,250}"#),
        rule(
            "model_provider_key",
            #"\b(?:sk-[A-Za-z0-9_\-]{20,250}|gsk_[A-Za-z0-9]{20,250}|xai-[A-Za-z0-9]{20,250})"#),
        rule("eclusa_key", #"\be(?:k|st)_[A-Za-z0-9]{20,250}"#),
        rule("hugging_face_token", #"\bhf_[A-Za-z0-9]{30,250}"#),
        rule("npm_token", #"\bnpm_[A-Za-z0-9]{36}\b"#),
        rule("web_token", #"\beyJ[A-Za-z0-9_\-]{8,1000}\.eyJ[A-Za-z0-9_\-]{8,1000}\.[A-Za-z0-9_\-]{8,1000}"#),
        rule(
            "private_key",
            #"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-[^-])*"#
                + #"(?:-----END (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----)?"#),
    ]

    private static func rule(_ label: String, _ text: String) -> Detector.Rule {
        Detector.Rule(pattern: PersonalDataRules.known(text), label: label)
    }
}
