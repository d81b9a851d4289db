import Cryptography
import HTTPServing
import HTTPWire
import JSONText
import Transport

/// Google's token endpoint, and the account it knows.
struct ScriptedTokens {
    let standIn: StandIn
    let exchange: Exchange

    /// What every token begins with.
    static let prefix = "ya29.stand-in-"

    /// The example key of RFC 7515, appendix A.2, as PKCS #8: published, so no secret.
    private static let privateKey = [
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCh+BYK4uPJtGXOjS1lYmM2K5J9vinh",
        "8CR3/BYlzJChNuOL2TSXxbbqY913EeZ8dCn5VrD7io8ImtxLaYk8wTM/U+3QGbh3hCUv7JFP5IV3aVlL",
        "6kKA0ywPVb9ilE8TA5a8bpvfbr3SvaNnjuygxmj3AbONv/s4yDQs4v5tJ/reSlpIdJed1LnPmt7Ex1sF",
        "hSwsD174pcF1A5L5ROjtZMEQxrZHYJqkeDrrnGya11UxMFBji4NmXG9veoKjlnAqH2QbgtPr8jkiGUkf",
        "toaHLFcW9Qr4NY2ai50Xw0Byj3+H2JoY2PyrZ62EWQwuz3WTOTY8BwNNb2BvniHgVFbK5emhAgMBAAEC",
        "ggEAEq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7/GQ5sLKMgvfTeX",
        "Zx9SE+7YwVol2NXOoAJe46sui395IW/GO+pWJ1O0BkTGoVEn2bKVRUCgu+GjBVaYLU6f3l9kJfFNS3E0",
        "QbVdxzubSu3Mkqzjkn439X0M/V51gfpRLI9JYanrC4D4qAdGcopV/0ZHHzQlBjudU2QvXt4ehNYTCBr6",
        "XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl/x/jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR/RQyGWS",
        "eWjnczT0QU91p1DhOVRuOopznQKBgQDgHMQQ60imZV1URk0KpLttoLhyt3SmqdEf/kgHePDdtzEafpAu",
        "+cS191R2JiuoF2yzWXnwFDcqGigp5BNr0AHQfD8/Lk8l1Mk09jxxCfui5nYooNyac8YFjm3vItzVCVDn",
        "Ed3BbVWG8qf6deqElMGAg+C2V0L4oNXnP7LZcPAZRwKBgQC5A8R+CZW2MvRTLLHzwZkUXV866cff7tx6",
        "kqa0finGG0KgeqlaZPxgCZnFp7AeAcCMtiynVlJ7vMVgePsLq6XtON4tB5kP9jAPrq3rbAOal78eUH5O",
        "cED6eNuCV8ixEu1eWcPNCS/l1OW1EnXUEoEHKl54Xrrz2uNwkgMTP1FZ1wKBgAcCn1dwJKufzBWQxWQp",
        "1vsM5fggqPN1qGb5y0MAk3g7/Ls5bkUp5u9SN0Ai3Ya6hNnvWJMb7sXQX6U/zyO2M/hTip7tUeh7CXgw",
        "o59dkpN75gJLVds29+DAncu3KXU4f2Fa+7bLNrur53k8KwPOq2bbuTG69QtV7Jr5MR0AHWKNAoGBAIf/",
        "evpitUf+4JYbLpvNXWcY052Mpz22aR84mY3nh3F2LF2mjMJDpTg7FmuyPcVw6EcGyoAe9fa65iNqCq+j",
        "dw6PVNGo2hxfjSiZ8IIzHdsPXI89//pMjZcQK9r+CCoRjaZjOYiIDktVWZzmevJuv6WywUqd57LE3Zar",
        "3dLSIkx1AoGAIYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd+DlcxyVuuM9sQLdgjVk2oy26F0EmpScG",
        "Lq2MowX7fhd/QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp/gh6A56",
        "03k2+ZQwVK0JKSHuLFkuQ3U=",
    ].joined()

    /// The account's key as Google's console hands it out, for an endpoint at this address.
    static func account(at address: String) -> JSONValue {
        let mark = "PRIVATE KEY"
        return [
            "type": "service_account", "project_id": "stand-in", "private_key_id": "rfc7515",
            "private_key": .string("-----BEGIN \(mark)-----\n\(privateKey)\n-----END \(mark)-----\n"),
            "client_email": "gateway@stand-in.iam.gserviceaccount.com",
            "token_uri": .string("http://\(address)/token"),
        ]
    }

    /// Takes an assertion, as the real one does (RFC 7523), and gives a token of an hour.
    func answer() async throws(TransportError) {
        let body: UnsafeRawBufferPointer
        do {
            body = try await exchange.readBody(limit: 64 * 1024)
        } catch { return }
        let items = QueryItems.parse(body)
        let assertion = items.first { $0.name == "assertion" }?.value ?? ""
        let grant = items.first { $0.name == "grant_type" }?.value
        guard grant == "urn:ietf:params:oauth:grant-type:jwt-bearer", isGood(assertion) else {
            standIn.totals.add(.errors)
            return try await exchange.respond(
                status: 400, fields: ["content-type": "application/json"],
                text: #"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#)
        }
        standIn.totals.add(.exchanges)
        let token: JSONValue = [
            "access_token": .string(Self.prefix + "\(assertion.utf8.count)"), "expires_in": 3600,
            "token_type": "Bearer",
        ]
        try await exchange.respond(
            status: 200, fields: ["content-type": "application/json"], body: token.bytes)
    }

    private func isGood(_ assertion: String) -> Bool {
        let parts = assertion.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, let header = Base64.decodeURL(parts[0]),
            let claims = Base64.decodeURL(parts[1]),
            let signature = Base64.decodeURL(parts[2]), let head = try? JSONValue.parse(header),
            let said = try? JSONValue.parse(claims), let key = Self.publicKey
        else { return false }
        guard head["alg"] == "RS256", said["iss"]?.string?.hasPrefix("gateway@") == true,
            said["aud"]?.string?.hasSuffix("/token") == true, said["scope"]?.string?.isEmpty == false,
            let from = said["iat"]?.exactInt64, let until = said["exp"]?.exactInt64, until - from <= 3600
        else { return false }
        return key.verifies(signature: signature, of: Array("\(parts[0]).\(parts[1])".utf8))
    }

    /// The modulus lies at a fixed place of the encoded key; the exponent is 65537.
    private static var publicKey: SignatureKey? {
        guard let encoded = Base64.decode(privateKey), encoded.count > 294 else { return nil }
        return .rsaKey(modulus: Array(encoded[38..<294]), exponent: [1, 0, 1])
    }
}
