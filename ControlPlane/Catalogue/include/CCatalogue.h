// The catalogue of models and prices that comes with the program, as JSON text.
#pragma once
#include <stddef.h>

extern const char *const catalogue;
extern const size_t catalogue_length;
