#include "CCatalogue.h"

static const char text[] = {
#embed "catalogue.json"
};

const char *const catalogue = text;
const size_t catalogue_length = sizeof text;
