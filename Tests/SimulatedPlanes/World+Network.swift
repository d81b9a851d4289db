import Contract
import Domain
import Policy
import TestSupport

extension World {
    /// On its way, twice, late, or not at all.
    private mutating func send(_ message: Message, isCut: Bool) {
        if !isHealing, isCut || chance(10) { return }
        let copies = !isHealing && chance(12) ? 2 : 1
        for _ in 0..<copies {
            let isSlow = !isHealing && chance(15)
            let delay = Int64.random(
                in: 1_000_000...(isSlow ? 20_000_000_000 : 60_000_000), using: &generator)
            network.append((now + delay, message))
        }
    }

    /// Every control plane is stopped for a restore, and a message is part of its TLS connection: what was on
    /// its way to the old process never reaches the restored one. Answers that had left still arrive.
    mutating func loseMessagesToControl() {
        network.removeAll { _, message in
            switch message {
            case .request, .batch: true
            case .answer, .taken: false
            }
        }
    }

    mutating func deliver() {
        let due = network.filter { $0.at <= now }.shuffled(using: &generator)
        network.removeAll { $0.at <= now }
        for (_, message) in due { deliver(message) }
    }

    private mutating func deliver(_ message: Message) {
        switch message {
        case .request(let request, let from, let process):
            guard !control.isDown else { return }
            let isFrozen = control.isFrozen
            let answer = control.answer(request, of: nodes[from].id, at: wall, faults: mutation)
            send(
                .answer(answer, to: from, process: process, request, isFrozen: isFrozen),
                isCut: nodes[from].isCutIn)
        case .answer(let answer, let to, let process, let request, let isFrozen):
            // Whoever asked has given up waiting, or was killed: a later process may have come to the same
            // number, but the answer comes on the connection of the one that asked.
            guard nodes[to].isAlive, nodes[to].process == process,
                nodes[to].request?.message.sequence == request.sequence
            else { return }
            nodes[to].request = nil
            let lent = nodes[to].lentBudgets
            take(answer, request, to)
            if !isFrozen || !nodes[to].isAlive { return }
            let kept = nodes[to].lentBudgets
            for (grant, amount) in lent where amount < .max && kept[grant] ?? 0 < amount {
                violate("a restored control plane took back \(amount - (kept[grant] ?? 0)) of \(grant)")
            }
        case .batch(let events, let from, let epoch, let sequence):
            guard !control.isDown else { return }
            guard
                case .acknowledged(let taken) = control.take(
                    events, epoch: epoch, sequence: sequence, faults: mutation)
            else { return }
            send(.taken(taken, to: from, epoch: epoch), isCut: nodes[from].isCutIn)
        case .taken(let sequence, let to, let epoch):
            guard nodes[to].isAlive, nodes[to].disk.outboxEpoch == epoch else { return }
            nodes[to].disk.batches.removeAll { $0.sequence <= sequence }
        }
    }

    private mutating func take(_ answer: GrantAnswer, _ request: GrantRequest, _ index: Int) {
        let before = nodes[index].holder
        var changes = nodes[index].holder.take(answer, to: request, at: now) {
            try? Grant(encoded: $0.payload)
        }
        if mutation == .raisesAdd {
            changes.saves = changes.saves.map { save in
                guard let raise = nodes[index].holder.raises[save.id] else { return save }
                var save = save
                save.lent += before.accounts[raise.slot]?.current?.slack ?? 0
                nodes[index].holder.raises[save.id] = GrantHolder.Raise(
                    slot: raise.slot, serial: raise.serial, lent: save.lent, window: raise.window,
                    isFull: raise.isFull)
                return save
            }
        }
        if mutation == .reductionsAreNotSaved {
            let raised = nodes[index].holder.raises
            changes.saves.removeAll { raised[$0.id] == nil }
        }
        // A kill between the write and its use: the disk is ahead of the process, never behind.
        nodes[index].apply(changes)
        for save in changes.saves { forgotten[save.id] = nil }
        if !isHealing, chance(200) {
            kill(index)
            return
        }
        _ = nodes[index].holder.saved(changes, at: now)
    }

    mutating func exchange(_ index: Int) {
        if let request = nodes[index].request {
            guard now - request.sentAt > 2_000_000_000 else { return }
            nodes[index].request = nil
        }
        guard now >= nodes[index].nextExchangeAt || nodes[index].holder.isUrgent else { return }
        nodes[index].nextExchangeAt = now + 500_000_000
        let wall = wall(of: nodes[index])
        let request = nodes[index].holder.request(at: now, wall: wall)
        nodes[index].request = (request, now)
        send(
            .request(request, from: index, process: nodes[index].process), isCut: nodes[index].isCutOut)
    }

    mutating func upload(_ index: Int) {
        guard now >= nodes[index].nextUploadAt else { return }
        nodes[index].nextUploadAt = now + 300_000_000
        if !nodes[index].disk.open.isEmpty {
            nodes[index].disk.batches.append((nodes[index].disk.nextSequence, nodes[index].disk.open))
            nodes[index].disk.nextSequence += 1
            nodes[index].disk.open = []
        }
        let epoch = nodes[index].disk.outboxEpoch
        for batch in nodes[index].disk.batches.prefix(2) {
            send(
                .batch(batch.events, from: index, epoch: epoch, sequence: batch.sequence),
                isCut: nodes[index].isCutOut)
        }
    }
}
