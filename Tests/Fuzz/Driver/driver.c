// The driver itself comes with -sanitize=fuzzer; a C target needs one source file.
#include "fuzz_driver.h"
