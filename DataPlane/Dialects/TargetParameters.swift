import Domain
package import JSONText

extension [TargetParameter] {
    /// A request's body with these members in the places of the caller's; `null` takes one away. Only
    /// members of the body itself, whatever its dialect. Throws when the body is no JSON object.
    package func applied(to body: UnsafeRawBufferPointer) throws(JSONError) -> [UInt8] {
        var splicer = JSONSplicer(body)
        var isPlaced = [Bool](repeating: false, count: count)
        var members = try JSONMembers(body)
        while let member = try members.next() {
            let name = member.name
            guard let index = firstIndex(where: { $0.name == name }) else { continue }
            isPlaced[index] = true
            if self[index].json == "null" {
                splicer.remove(member)
            } else {
                splicer.replace(member.value, with: Array<UInt8>(self[index].json.utf8))
            }
        }
        for (index, parameter) in enumerated() where !isPlaced[index] && parameter.json != "null" {
            splicer.insert(parameter.name, Array<UInt8>(parameter.json.utf8))
        }
        return splicer.result()
    }
}
