import Domain
package import Operations
import PDF
import Store

extension InvoiceView {
    /// The invoice as a PDF file.
    package func pdf() throws(OperationError) -> [UInt8] { try InvoiceDocument(self).bytes() }
}

/// An invoice as a PDF file. What is frozen in the invoice is all it shows, so the same invoice is always the
/// same file.
struct InvoiceDocument {
    private static let left: Float = 50
    private static let right = PDFDocument.width - 50
    private static let top = PDFDocument.height - 60
    private static let bottom: Float = 70
    private static let lineHeight: Float = 14
    /// Where the columns of lines begin; those of numbers end there.
    private static let columns = (month: left, workspace: left + 50, model: left + 190, calls: right - 95)

    private let view: InvoiceView
    private var invoice: Invoice { view.invoice }

    init(_ view: InvoiceView) { self.view = view }

    func bytes() throws(OperationError) -> [UInt8] {
        do throws(PDFError) {
            let document = try PDFDocument(title: "Invoice \(invoice.number)")
            document.beginPage()
            var y = head(on: document)
            y = names(of: y, on: document)
            for line in view.lines {
                if y < Self.bottom {
                    document.beginPage()
                    y = names(of: Self.top, on: document)
                }
                write(line, at: y, on: document)
                y -= Self.lineHeight
            }
            if y < Self.bottom + 3 * Self.lineHeight {
                document.beginPage()
                y = Self.top
            }
            foot(at: y, on: document)
            return try document.bytes()
        } catch {
            throw .fault("libharu refuses an invoice: \(error.status)")
        }
    }

    /// Answers where the lines begin.
    private func head(on document: PDFDocument) -> Float {
        var y = Self.top
        document.write(
            invoice.status == .void ? "Invoice (void)" : "Invoice", x: Self.left, y: y, size: 20, isBold: true
        )
        let facts = [
            "Number \(invoice.number)", "Month \(invoice.month)", "Issued \(invoice.issuedAt.date)",
        ]
        for (index, fact) in facts.enumerated() {
            document.write(fact, x: Self.right, y: y - Float(index) * Self.lineHeight, size: 10, .right)
        }
        y -= 60
        let (from, to) = (Self.lines(of: invoice.issuer), Self.lines(of: invoice.customer))
        document.write("From", x: Self.left, y: y, isBold: true)
        document.write("To", x: Self.left + 260, y: y, isBold: true)
        for index in 0..<max(from.count, to.count) {
            y -= Self.lineHeight
            if index < from.count { document.write(from[index], x: Self.left, y: y, within: 250) }
            if index < to.count { document.write(to[index], x: Self.left + 260, y: y, within: 235) }
        }
        return y - 3 * Self.lineHeight
    }

    /// At most so many lines of an address: the head has one page.
    private static func lines(of party: InvoiceParty) -> [String] {
        let address = party.address.split(whereSeparator: \.isNewline).map(String.init)
        let tax = party.taxNumber.isEmpty ? [] : ["Tax number \(party.taxNumber)"]
        let all = ([party.name] + address + tax + [party.email].compactMap(\.self)).filter { !$0.isEmpty }
        return Array(all.prefix(14))
    }

    private func names(of y: Float, on document: PDFDocument) -> Float {
        document.write("Month", x: Self.columns.month, y: y, isBold: true)
        document.write("Workspace", x: Self.columns.workspace, y: y, isBold: true)
        document.write("Model", x: Self.columns.model, y: y, isBold: true)
        document.write("Calls", x: Self.columns.calls, y: y, isBold: true, .right)
        document.write("USD", x: Self.right, y: y, isBold: true, .right)
        document.rule(from: Self.left, to: Self.right, y: y - 4)
        return y - Self.lineHeight - 4
    }

    private func write(_ line: InvoiceLine, at y: Float, on document: PDFDocument) {
        document.write(line.month.description, x: Self.columns.month, y: y)
        let workspace = line.workspaceName.isEmpty ? line.workspace.description : line.workspaceName
        document.write(workspace, x: Self.columns.workspace, y: y, within: 135)
        let model = line.modelName.isEmpty ? line.model.description : line.modelName
        document.write(model, x: Self.columns.model, y: y, within: 160)
        document.write(String(line.calls), x: Self.columns.calls, y: y, .right)
        document.write(line.amount.description, x: Self.right, y: y, .right)
    }

    private func foot(at y: Float, on document: PDFDocument) {
        document.rule(from: Self.left, to: Self.right, y: y + Self.lineHeight - 4)
        document.write("Total, exact", x: Self.columns.model, y: y - 2)
        document.write(invoice.total.description, x: Self.right, y: y - 2, .right)
        document.write(
            "Due, rounded once to a cent", x: Self.columns.model, y: y - 2 - Self.lineHeight, size: 10,
            isBold: true)
        document.write(
            invoice.due.description, x: Self.right, y: y - 2 - Self.lineHeight, size: 10, isBold: true, .right
        )
    }
}
