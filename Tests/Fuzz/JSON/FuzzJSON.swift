import CFuzzDriver
import JSONText

/// Throws bytes at the JSON scanner, tree, walk and splicer and checks what must hold for all bytes: no trap,
/// no read beyond the input, and the same verdict whoever reads.
///
/// The first byte of an input chooses which members the splicer removes and replaces.
@_cdecl("FuzzJSON_main")
func fuzzMain(_ argc: Int32, _ argv: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> Int32 {
    var argc = argc
    var argv = argv
    return LLVMFuzzerRunDriver(&argc, &argv) { data, size in
        guard let data, size >= 1 else { return 0 }
        let bytes = UnsafeRawBufferPointer(start: data + 1, count: size - 1)
        let fault = fault(of: bytes)
        let tree = fuzzTree(bytes, fault)
        fuzzMembers(bytes, fault, tree)
        if let tree { fuzzSplicer(bytes, tree, choices: data[0]) }
        return 0
    }
}

private func require(_ holds: Bool, _ what: StaticString) {
    if !holds { fatalError(what.description) }
}

private func fault(of bytes: UnsafeRawBufferPointer) -> JSONError? {
    do throws(JSONError) {
        try validateJSON(bytes)
        return nil
    } catch {
        require((0...bytes.count).contains(error.offset), "a fault lies in the document")
        return error
    }
}

private func fuzzTree(_ bytes: UnsafeRawBufferPointer, _ fault: JSONError?) -> JSONValue? {
    let tree: JSONValue
    do throws(JSONError) {
        tree = try JSONValue.parse(bytes)
    } catch {
        if error.reason != .duplicateName {
            require(
                error.reason == fault?.reason && error.offset == fault?.offset,
                "tree and scanner agree on faults")
        }
        return nil
    }
    require(fault == nil, "what the tree takes the scanner takes")
    let written = tree.bytes
    require((try? JSONValue.parse(written)) == tree, "what was written reads the same")
    if let number = tree.number, let integer = number.exactInt64,
        !number.text.contains(where: { "eE.".contains($0) })
    {
        require(Int64(number.text) == integer, "whole numbers are exact")
    }
    if let number = tree.exactInt64, let double = tree.double {
        require(double == Double(number), "an exact integer is the number")
    }
    return tree
}

private func fuzzMembers(_ bytes: UnsafeRawBufferPointer, _ fault: JSONError?, _ tree: JSONValue?) {
    var names: [String] = []
    do throws(JSONError) {
        var members = try JSONMembers(bytes)
        while let member = try members.next() {
            names.append(member.name)
            require(member.withName { $0.elementsEqual(member.name.utf8) }, "a name is its text")
            if let tree { walk(member.value, tree[member.name]) }
        }
        require(fault == nil, "what the walk takes the scanner takes")
        if let tree { require(names == tree.object?.names, "walk and tree see the same members") }
    } catch {
        switch error.reason {
        case .notAnObject:
            require(fault == nil && tree?.object == nil, "only JSON of another kind is no object")
        case .duplicateName: require(tree == nil, "the tree refuses what the walk refuses")
        default: require(fault?.reason == error.reason, "walk and scanner agree on faults")
        }
    }
}

/// Compares one value, and the values right inside it, with the tree's.
private func walk(_ fragment: JSONFragment, _ value: JSONValue?) {
    require((try? fragment.value()) == value, "a value reads the same in place")
    require(fragment.string == value?.string, "strings agree")
    require(fragment.exactInt64 == value?.exactInt64, "integers agree")
    if fragment.kind == .array, var elements = try? fragment.elements() {
        var count = 0
        while let element = try? elements.next() {
            require((try? element.value()) == value?[count], "elements agree")
            count += 1
        }
        require(count == value?.array?.count, "no element is lost")
    }
}

private func fuzzSplicer(_ bytes: UnsafeRawBufferPointer, _ tree: JSONValue, choices: UInt8) {
    guard let object = tree.object, var members = try? JSONMembers(bytes) else { return }
    var splicer = JSONSplicer(bytes)
    var expected = JSONObject()
    if choices & 1 == 1 {
        splicer.insert("\u{0}new", Array("[]".utf8))
        expected["\u{0}new"] = []
    }
    if object["\u{0}new"] != nil { return }
    var bits = choices >> 1
    while let member = try? members.next() {
        switch bits & 3 {
        case 1: splicer.remove(member)
        case 2:
            splicer.replace(member.value, withString: "é")
            expected[member.name] = "é"
        default: expected[member.name] = object[member.name]
        }
        bits = bits >> 2 | bits << 6
    }
    let result = splicer.result()
    require(result.count == splicer.byteCount(), "the length is the result's")
    require((try? JSONValue.parse(result)) == .object(expected), "splicing does what editing the tree does")
}
