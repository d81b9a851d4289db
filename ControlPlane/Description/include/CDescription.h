#pragma once
#include <stddef.h>

/// docs/openapi/openapi.json as it was when the program was built; not terminated by a NUL.
extern const char *const openapi_json;
extern const size_t openapi_json_count;
