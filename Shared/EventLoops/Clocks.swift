import CEventLoops

/// Microseconds since 1970-01-01 UTC from the system clock; it may jump. Any thread.
package func wallClockMicroseconds() -> Int64 { loop_wall_microseconds() }

/// Nanoseconds of the monotonic clock, for durations only; its zero is arbitrary. Any thread.
package func monotonicNanoseconds() -> Int64 { loop_monotonic_nanoseconds() }
