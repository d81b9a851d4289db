#include "CRE2.h"

#include <re2/re2.h>

#include <cstring>
#include <new>

struct re2_pattern {
    RE2 expression;
    re2_pattern(re2::StringPiece text, const RE2::Options &options) : expression(text, options) {}
};

extern "C" re2_pattern *re2_pattern_make(const char *text, size_t length, int ignores_case, char *problem,
                                         size_t problem_capacity) {
    RE2::Options options;
    options.set_log_errors(false);
    options.set_case_sensitive(!ignores_case);
    options.set_never_capture(true);
    options.set_max_mem(2 << 20);
    auto *pattern = new (std::nothrow) re2_pattern(re2::StringPiece(text, length), options);
    if (pattern && pattern->expression.ok()) return pattern;
    if (problem_capacity > 0) {
        const char *reason = pattern ? pattern->expression.error().c_str() : "out of memory";
        std::strncpy(problem, reason, problem_capacity - 1);
        problem[problem_capacity - 1] = 0;
    }
    delete pattern;
    return nullptr;
}

extern "C" void re2_pattern_free(re2_pattern *pattern) { delete pattern; }

extern "C" int re2_pattern_find(const re2_pattern *pattern, const char *text, size_t length, size_t from,
                                size_t *start, size_t *end) {
    re2::StringPiece match;
    if (!pattern->expression.Match(re2::StringPiece(text, length), from, length, RE2::UNANCHORED, &match, 1))
        return 0;
    *start = size_t(match.data() - text);
    *end = *start + match.size();
    return 1;
}
