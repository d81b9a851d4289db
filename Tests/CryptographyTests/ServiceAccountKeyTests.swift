import Cryptography
import JSONText
import Testing

@Suite("service accounts")
struct ServiceAccountKeyTests {
    /// RFC 7515, appendix A.2: the key is published there, in another form.
    static let encoded = """
        MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCh+BYK4uPJtGXO
        jS1lYmM2K5J9vinh8CR3/BYlzJChNuOL2TSXxbbqY913EeZ8dCn5VrD7io8ImtxL
        aYk8wTM/U+3QGbh3hCUv7JFP5IV3aVlL6kKA0ywPVb9ilE8TA5a8bpvfbr3SvaNn
        juygxmj3AbONv/s4yDQs4v5tJ/reSlpIdJed1LnPmt7Ex1sFhSwsD174pcF1A5L5
        ROjtZMEQxrZHYJqkeDrrnGya11UxMFBji4NmXG9veoKjlnAqH2QbgtPr8jkiGUkf
        toaHLFcW9Qr4NY2ai50Xw0Byj3+H2JoY2PyrZ62EWQwuz3WTOTY8BwNNb2BvniHg
        VFbK5emhAgMBAAECggEAEq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyW
        PEAeP88vLNO97IjlA7/GQ5sLKMgvfTeXZx9SE+7YwVol2NXOoAJe46sui395IW/G
        O+pWJ1O0BkTGoVEn2bKVRUCgu+GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzj
        kn439X0M/V51gfpRLI9JYanrC4D4qAdGcopV/0ZHHzQlBjudU2QvXt4ehNYTCBr6
        XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl/x/jTj3ccPDVZFD9pIuhLhBOneufuBiB
        4cS98l2SR/RQyGWSeWjnczT0QU91p1DhOVRuOopznQKBgQDgHMQQ60imZV1URk0K
        pLttoLhyt3SmqdEf/kgHePDdtzEafpAu+cS191R2JiuoF2yzWXnwFDcqGigp5BNr
        0AHQfD8/Lk8l1Mk09jxxCfui5nYooNyac8YFjm3vItzVCVDnEd3BbVWG8qf6deqE
        lMGAg+C2V0L4oNXnP7LZcPAZRwKBgQC5A8R+CZW2MvRTLLHzwZkUXV866cff7tx6
        kqa0finGG0KgeqlaZPxgCZnFp7AeAcCMtiynVlJ7vMVgePsLq6XtON4tB5kP9jAP
        rq3rbAOal78eUH5OcED6eNuCV8ixEu1eWcPNCS/l1OW1EnXUEoEHKl54Xrrz2uNw
        kgMTP1FZ1wKBgAcCn1dwJKufzBWQxWQp1vsM5fggqPN1qGb5y0MAk3g7/Ls5bkUp
        5u9SN0Ai3Ya6hNnvWJMb7sXQX6U/zyO2M/hTip7tUeh7CXgwo59dkpN75gJLVds2
        9+DAncu3KXU4f2Fa+7bLNrur53k8KwPOq2bbuTG69QtV7Jr5MR0AHWKNAoGBAIf/
        evpitUf+4JYbLpvNXWcY052Mpz22aR84mY3nh3F2LF2mjMJDpTg7FmuyPcVw6EcG
        yoAe9fa65iNqCq+jdw6PVNGo2hxfjSiZ8IIzHdsPXI89//pMjZcQK9r+CCoRjaZj
        OYiIDktVWZzmevJuv6WywUqd57LE3Zar3dLSIkx1AoGAIYd7DHOhrWvxkwPQsRM2
        tOgrjbcrfvtQJipd+DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd/QJQ3
        ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp/gh6A56
        03k2+ZQwVK0JKSHuLFkuQ3U=
        """

    static var pem: String {
        let mark = "PRIVATE KEY"
        return "-----BEGIN \(mark)-----\n\(encoded)\n-----END \(mark)-----\n"
    }

    @Test("the signature of RFC 7515's example is the one printed there")
    func example() throws {
        let key = try #require(RSAPrivateKey(pem: Self.pem))
        let signed =
            "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmN"
            + "vbS9pc19yb290Ijp0cnVlfQ"
        let signature = Base64.encodeURL(try key.signature(of: Array(signed.utf8)))
        let printed = [
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt",
            "_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArL",
            "IARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7no",
            "OPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQ",
            "Ge77Rw",
        ]
        #expect(signature == printed.joined())
    }

    static func document(_ changes: [String: JSONValue?] = [:]) -> Secret {
        var object = JSONObject()
        object["type"] = "service_account"
        object["client_email"] = "a@b.example"
        object["private_key"] = .string(pem)
        object["private_key_id"] = "key-1234"
        object["token_uri"] = "https://tokens.example/token"
        for (name, value) in changes { object[name] = value }
        return Secret(JSONValue.object(object).bytes)
    }

    @Test("a document says who signs, and the request for a token is theirs")
    func request() throws {
        let key = try ServiceAccountKey(Self.document())
        #expect(key.email == "a@b.example" && key.keyID == "key-1234")
        let form = try key.tokenRequest(scope: "https://scope.example/x", at: 1_800_000_000)
        let parts = try #require(form.split(separator: "=").last).split(separator: ".")
        #expect(form.hasPrefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="))
        #expect(parts.count == 3)
        let claims = try JSONValue.parse(try #require(Base64.decodeURL(String(parts[1]))))
        #expect(claims["iss"] == "a@b.example" && claims["aud"] == "https://tokens.example/token")
        #expect(claims["iat"] == 1_800_000_000 && claims["exp"] == 1_800_003_600)
        #expect(claims["scope"] == "https://scope.example/x")
    }

    @Test("what is missing or wrong is named, and nothing is quoted")
    func problems() {
        let cases: [(Secret, String)] = [
            (Secret(utf8: "sk-1234"), "JSON"), (Secret(utf8: "[]"), "JSON"),
            (Self.document(["type": "authorized_user"]), "service_account"),
            (Self.document(["client_email": .some(nil)]), "client_email"),
            (Self.document(["token_uri": "ftp://x"]), "token_uri"),
            (Self.document(["private_key": "-----BEGIN"]), "private_key"),
        ]
        for (document, word) in cases {
            #expect {
                _ = try ServiceAccountKey(document)
            } throws: { error in
                (error as? ServiceAccountKey.Problem)?.message.contains(word) == true
            }
        }
    }

    @Test("a token is taken when it can be sent")
    func tokens() {
        func token(_ text: String) -> AccessToken? { AccessToken(Array(text.utf8)) }
        #expect(token(#"{"access_token":"abc","expires_in":3599}"#)?.seconds == 3599)
        #expect(token(#"{"access_token":"abc","expires_in":-5}"#)?.seconds == 0)
        #expect(token(#"{"access_token":"abc"}"#)?.seconds == 0)
        for text in [#"{"access_token":"a\nb"}"#, #"{"access_token":""}"#, "{}", "[]", "no"] {
            #expect(token(text) == nil)
        }
    }
}
