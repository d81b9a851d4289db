#pragma once
#include <stddef.h>

/// One numbered migration: its file name without ".sql", and its text (not terminated by a NUL).
struct migration {
    const char *name;
    const char *text;
    size_t length;
};

/// All migrations, in the order of their numbers.
extern const struct migration *const migrations;
extern const size_t migration_count;
