import CHaru

/// Why a document could not be made: libharu's own number.
package struct PDFError: Error, Hashable, Sendable {
    package let status: UInt
}

/// A PDF document of A4 pages with texts and lines on them, in the fonts every reader has. Non-Sendable.
///
/// Those fonts know the characters of Windows-1252: the languages of western Europe. Others become `?`.
package final class PDFDocument {
    package enum Alignment: Sendable { case left, right }

    /// Points (1/72 inch); y counts from the lower edge.
    package static let width: Float = 595
    package static let height: Float = 842

    private let document: HPDF_Doc
    private let plain, bold: HPDF_Font?
    private var page: HPDF_Page?

    package init(title: String) throws(PDFError) {
        // Without a handler every call returns its status, and the document remembers the first one.
        guard let document = HPDF_New(nil, nil) else { throw PDFError(status: 0) }
        self.document = document
        plain = HPDF_GetFont(document, "Helvetica", "WinAnsiEncoding")
        bold = HPDF_GetFont(document, "Helvetica-Bold", "WinAnsiEncoding")
        HPDF_SetCompressionMode(document, HPDF_UINT(HPDF_COMP_ALL))
        Self.encoded(title).withUnsafeBufferPointer { text in
            _ = HPDF_SetInfoAttr(document, HPDF_INFO_TITLE, text.baseAddress)
        }
    }

    deinit { HPDF_Free(document) }

    /// What follows goes on a new page. The first one is needed too.
    package func beginPage() {
        page = HPDF_AddPage(document)
        HPDF_Page_SetSize(page, HPDF_PAGE_SIZE_A4, HPDF_PAGE_PORTRAIT)
    }

    /// Writes one line of text that begins at x, or (right) ends there. What is wider than `within` is cut.
    package func write(
        _ text: String, x: Float, y: Float, size: Float = 9, isBold: Bool = false,
        _ alignment: Alignment = .left, within: Float? = nil
    ) {
        HPDF_Page_SetFontAndSize(page, isBold ? bold : plain, size)
        var bytes = Self.encoded(text)
        if let within {
            while bytes.count > 1, width(of: bytes) > within { bytes.remove(at: bytes.count - 2) }
        }
        let start = alignment == .right ? x - width(of: bytes) : x
        HPDF_Page_BeginText(page)
        bytes.withUnsafeBufferPointer { text in
            _ = HPDF_Page_TextOut(page, start, y, text.baseAddress)
        }
        HPDF_Page_EndText(page)
    }

    /// A thin horizontal line.
    package func rule(from left: Float, to right: Float, y: Float) {
        HPDF_Page_SetLineWidth(page, 0.5)
        HPDF_Page_MoveTo(page, left, y)
        HPDF_Page_LineTo(page, right, y)
        HPDF_Page_Stroke(page)
    }

    /// The file. Throws when anything since the beginning went wrong.
    package func bytes() throws(PDFError) -> [UInt8] {
        let status = HPDF_SaveToStream(document)
        let problem = HPDF_GetError(document)
        guard status == 0, problem == 0 else { throw PDFError(status: UInt(problem == 0 ? status : problem)) }
        var size = HPDF_GetStreamSize(document)
        HPDF_ResetStream(document)
        return [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, count in
            _ = HPDF_ReadFromStream(document, buffer.baseAddress, &size)
            count = Int(size)
        }
    }

    private func width(of text: [CChar]) -> Float {
        text.withUnsafeBufferPointer { HPDF_Page_TextWidth(page, $0.baseAddress) }
    }

    /// Windows-1252, ended by a zero.
    private static func encoded(_ text: String) -> [CChar] {
        text.unicodeScalars.map { scalar in
            let byte: UInt8 =
                switch scalar.value {
                case 0x20..<0x7f, 0xa0...0xff: UInt8(scalar.value)
                default: more[scalar] ?? UInt8(ascii: "?")
                }
            return CChar(bitPattern: byte)
        } + [0]
    }

    /// Where Windows-1252 differs from Latin-1.
    private static let more: [Unicode.Scalar: UInt8] = [
        "€": 0x80, "‚": 0x82, "ƒ": 0x83, "„": 0x84, "…": 0x85, "†": 0x86, "‡": 0x87, "ˆ": 0x88, "‰": 0x89,
        "Š": 0x8a, "‹": 0x8b, "Œ": 0x8c, "Ž": 0x8e, "‘": 0x91, "’": 0x92, "“": 0x93, "”": 0x94, "•": 0x95,
        "–": 0x96, "—": 0x97, "˜": 0x98, "™": 0x99, "š": 0x9a, "›": 0x9b, "œ": 0x9c, "ž": 0x9e, "Ÿ": 0x9f,
    ]
}
