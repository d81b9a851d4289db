import Glibc

extension MetricsRegistry {
    /// Adds which release runs, as a gauge that is always 1.
    package func addBuildInfo(program: String, version: String) {
        gauge(
            "eclusa_build_info", help: "1; the labels say which release this is.",
            labels: ["program", "version"]
        ).cell(program, version).set(1)
    }

    /// Adds the process's own figures under the names Prometheus clients share: memory, processor time,
    /// descriptors, start time. Read from the kernel when the page is made.
    package func addProcessMetrics() {
        let startSeconds = Double(systemWallClockMicroseconds()) / 1_000_000
        computedGauge("process_start_time_seconds", help: "Start of the process, in seconds since 1970.") {
            startSeconds
        }
        computedGauge("process_resident_memory_bytes", help: "Memory resident in RAM.") {
            Double(residentPages()) * Double(sysconf(Int32(_SC_PAGESIZE)))
        }
        computedCounter("process_cpu_seconds_total", help: "Processor time, user and system.") {
            processorSeconds()
        }
        computedGauge("process_open_fds", help: "Open file descriptors.") { Double(openDescriptors()) }
        computedGauge("process_max_fds", help: "File descriptors the process may open.") {
            var limit = rlimit()
            return getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
                ? Double(limit.rlim_cur) : .nan
        }
    }
}

/// The second number of /proc/self/statm (proc(5)). Unit: pages.
private func residentPages() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var buffer = [CChar](repeating: 0, count: 128)
    guard fgets(&buffer, Int32(buffer.count), file) != nil else { return 0 }
    let text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let fields = text.split(separator: " ")
    return fields.count > 1 ? Int(fields[1]) ?? 0 : 0
}

private func processorSeconds() -> Double {
    var usage = rusage()
    guard getrusage(RUSAGE_SELF.rawValue, &usage) == 0 else { return .nan }
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1_000_000 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

private func openDescriptors() -> Int {
    guard let directory = opendir("/proc/self/fd") else { return 0 }
    defer { closedir(directory) }
    var count = -1  // the directory's own descriptor
    while let entry = readdir(directory) {
        // Everything but "." and "..", which alone begin with a dot.
        if entry.pointee.d_name.0 != 0x2E { count += 1 }
    }
    return count
}
