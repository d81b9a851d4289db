import Dialects
import Domain
import JSONText
import Testing

@Suite("what of a call decides where it goes")
struct CallTraitsTests {
    private func traits(_ json: String) -> CallTraits {
        Array(json.utf8).withUnsafeBytes { CallTraits($0) }
    }

    @Test(
        "what a call needs is seen in every dialect's members",
        arguments: [
            (#"{"messages":[{"role":"user","content":"hi"}]}"#, []),
            (#"{"messages":[],"tools":[]}"#, []),
            (#"{"messages":[],"tools":[{"type":"function"}]}"#, [.tools]),
            (
                #"{"messages":[{"content":[{"type":"image_url","image_url":{"url":"data:"}}]}]}"#,
                [.vision]
            ),
            (#"{"messages":[{"content":[{"type":"image","source":{}}]}]}"#, [.vision]),
            (#"{"messages":[{"content":[{"type":"document","source":{}}]}]}"#, [.documentInput]),
            (
                #"{"contents":[{"parts":[{"inlineData":{"mimeType":"audio/wav","data":""}}]}]}"#,
                [.audioInput]
            ),
            (#"{"prompt":"see","images":["aGk="]}"#, [.vision]),
            (#"{"messages":[{"content":"say \"image_url\" and \"image\""}]}"#, []),
            (
                #"{"messages":[],"response_format":{"type":"json_schema","json_schema":{}}}"#,
                [.structuredOutput]
            ),
            (#"{"messages":[],"response_format":{"type":"text"}}"#, []),
            (#"{"contents":[],"generationConfig":{"responseSchema":{}}}"#, [.structuredOutput]),
            (#"{"messages":[],"reasoning_effort":"high"}"#, [.reasoning]),
            (#"{"messages":[],"reasoning_effort":"none","thinking":{"type":"disabled"}}"#, []),
            (#"{"messages":[],"thinking":{"type":"enabled","budget_tokens":9}}"#, [.reasoning]),
            ("[1]", []), ("{", []),
        ] as [(String, [ModelCapability])])
    func needs(_ json: String, _ needs: [ModelCapability]) {
        #expect(traits(json).needs == CapabilitySet(needs), "\(traits(json).needs.members)")
    }

    @Test("sessions and beginnings of prompts keep calls together")
    func affinity() {
        let long = String(repeating: "be kind. ", count: 200)
        let first = traits(#"{"messages":[{"role":"system","content":"\#(long)"}],"user":"ana"}"#)
        let later = traits(
            #"{"user":"ana","messages":[{"role":"system","content":"\#(long)"},{"role":"user","content":"x"}]}"#
        )
        #expect(first.session == later.session && first.session != 0)
        #expect(first.promptPrefix == later.promptPrefix && first.promptPrefix != 0)
        let other = traits(#"{"messages":[{"role":"system","content":"be"}],"user":"bob"}"#)
        #expect(other.session != first.session && other.promptPrefix != first.promptPrefix)
        let keyed = traits(#"{"user":"ana","prompt_cache_key":"k","messages":[]}"#)
        let rekeyed = traits(#"{"prompt_cache_key":"k","user":"bob","messages":[]}"#)
        #expect(keyed.session == rekeyed.session)
        let system = traits(#"{"system":"a","messages":[1]}"#)
        #expect(system.promptPrefix != traits(#"{"system":"b","messages":[1]}"#).promptPrefix)
        #expect(traits("{}").session == 0 && traits("{}").promptPrefix == 0)
    }

    @Test(
        "a target's parameters take the places of the caller's",
        arguments: [
            (#"{"model":"m","top_p":1}"#, [("top_p", "0.5")], #"{"model":"m","top_p":0.5}"#),
            (#"{"model":"m"}"#, [("top_p", "0.5")], #"{"top_p":0.5,"model":"m"}"#),
            (#"{"model":"m","seed":1,"n":2}"#, [("seed", "null")], #"{"model":"m","n":2}"#),
            (#"{"model":"m"}"#, [("seed", "null")], #"{"model":"m"}"#),
            (
                #"{"s":[1],"a":{"b":1}}"#, [("a", #"{"c":[2]}"#), ("s", #""x""#)],
                #"{"s":"x","a":{"c":[2]}}"#
            ),
        ] as [(String, [(String, String)], String)])
    func parameters(_ body: String, _ parameters: [(String, String)], _ result: String) throws {
        let list = parameters.map { TargetParameter(name: $0.0, json: $0.1) }
        let bytes = try Array(body.utf8).withUnsafeBytes { body throws(JSONError) in
            try list.applied(to: body)
        }
        #expect(String(decoding: bytes, as: UTF8.self) == result)
    }
}
