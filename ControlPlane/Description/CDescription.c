// The OpenAPI document, embedded, so that `eclusa` knows every operation without asking a server.
#include "CDescription.h"

static const char document[] = {
#embed "../../docs/openapi/openapi.json"
};

const char *const openapi_json = document;
const size_t openapi_json_count = sizeof document;
