import Domain
import HTTPServing
import HTTPWire
import JSONText
import Operations

/// Turns a request's query and body into the values its route's shapes describe, or into one error that names
/// everything wrong with them.
enum RequestReader {
    // MARK: Query

    /// The parameters of a query. Texts become numbers and booleans where the shape says so; repeated names
    /// are refused.
    static func query(
        _ items: [QueryItems.Item], by shape: BodyShape?, in form: AdminRoute.Form = .api
    ) throws(OperationError) -> BodyValues {
        let shape = shape ?? BodyShape("query", [])
        var object = JSONObject()
        var problems: [ValidationError] = []
        for item in items {
            let name = shortened(item.name)
            if object[item.name] != nil {
                problems.append(ValidationError(name, .duplicate, "must be given once"))
            } else if let field = shape.fields.first(where: { $0.name == item.name }) {
                object[item.name] = value(item.value, as: field.member.schema)
            } else if form == .api {
                problems.append(ValidationError(name, .unknownField, "is not a parameter of this request"))
            }
        }
        guard problems.isEmpty else { throw .invalid(problems) }
        do throws(InvalidInput) {
            return try shape.read(.object(object))
        } catch {
            // Pointers of parameters are their names.
            throw .invalid(
                error.problems.map {
                    ValidationError(String($0.pointer.drop { $0 == "/" }), $0.code, $0.message)
                })
        }
    }

    private static func value(_ text: String, as schema: Schema) -> JSONValue {
        switch schema {
        case .integer: Int64(text).map { .number(JSONNumber($0)) } ?? .string(text)
        case .boolean: text == "true" ? true : text == "false" ? false : .string(text)
        case .nullable(let wrapped): value(text, as: wrapped)
        case .list(let element, _):
            .array(
                text.split(separator: ",", omittingEmptySubsequences: false).map {
                    value(String($0), as: element)
                })
        default: .string(text)
        }
    }

    private static func shortened(_ name: String) -> String { String(name.unicodeScalars.prefix(64)) }

    // MARK: Body

    /// The members of a body. A route that takes none is content with nothing, or with an empty object.
    /// `bytes` becomes the body as it came, unless it is nil.
    static func body(
        of exchange: Exchange, for route: AdminRoute, bytes: inout [UInt8]?
    ) async throws(OperationError) -> BodyValues {
        let json = try await parsedBody(exchange, route, &bytes)
        do throws(InvalidInput) {
            return try (route.body ?? BodyShape("nothing", [])).read(json)
        } catch {
            throw .invalid(error.problems)
        }
    }

    private static func parsedBody(
        _ exchange: Exchange, _ route: AdminRoute, _ copy: inout [UInt8]?
    ) async throws(OperationError) -> JSONValue {
        // Looked up before the body is read: reading may move the head.
        let mediaType = exchange.fieldText(.contentType)
        let bytes: UnsafeRawBufferPointer
        do throws(RequestError) {
            bytes = try await exchange.readBody(limit: route.maximumBodyBytes)
        } catch {
            throw failure(error, route)
        }
        if copy != nil { copy = [UInt8](bytes) }
        if bytes.isEmpty {
            guard route.body != nil else { return .object(JSONObject()) }
            throw OperationError(.invalidJSON, detail: "The request needs a JSON body.")
        }
        guard isJSON(mediaType, route.form) else { throw unsupported(mediaType, route.form) }
        do throws(JSONError) {
            return try JSONValue.parse(
                bytes, limits: JSONLimits(maximumBytes: route.maximumBodyBytes, maximumValues: 50_000))
        } catch {
            throw OperationError(.invalidJSON, detail: "The body is not valid JSON: \(error).")
        }
    }

    private static func isJSON(_ mediaType: String?, _ form: AdminRoute.Form) -> Bool {
        guard let mediaType else { return false }
        let essence = mediaType.prefix { $0 != ";" }.filter { $0 != " " && $0 != "\t" }
        return form.takenTypes.contains(essence.lowercased())
    }

    private static func unsupported(_ mediaType: String?, _ form: AdminRoute.Form) -> OperationError {
        let sent = mediaType.map { "was \(shortened($0))" } ?? "there was none"
        return OperationError(
            .unsupportedMediaType,
            problems: [
                ValidationError(
                    "Content-Type", mediaType == nil ? .required : .notAllowed,
                    "must be \(form.takenTypes.joined(separator: " or ")); \(sent)")
            ])
    }

    private static func failure(_ error: RequestError, _ route: AdminRoute) -> OperationError {
        switch error {
        case .tooLarge:
            OperationError(
                .payloadTooLarge, detail: "The body may have at most \(route.maximumBodyBytes) bytes.")
        case .malformed(let fault): OperationError(ErrorEdge.code(fault))
        // Nobody is there to read it.
        case .connection: OperationError(.requestTimeout)
        }
    }
}
