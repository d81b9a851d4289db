// RE2, the regular expressions whose time is linear in the text whatever the pattern, as a few C functions.
#pragma once
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct re2_pattern re2_pattern;

// NULL when the text is no pattern, or too large a one; then `problem` (zero-terminated) says why.
re2_pattern *re2_pattern_make(const char *text, size_t length, int ignores_case, char *problem,
                              size_t problem_capacity);
void re2_pattern_free(re2_pattern *pattern);

// Whether it matches at `from` or later; then from `*start` to before `*end`. Any thread, any number at once.
int re2_pattern_find(const re2_pattern *pattern, const char *text, size_t length, size_t from, size_t *start,
                     size_t *end);

#ifdef __cplusplus
}
#endif
