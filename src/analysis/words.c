/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/words.h"

#include <time.h>

#include "analysis/function_name.h"
#include "base/compiler.h"

const char *words_share(double share, struct arena *arena)
{
    double percent = share * 100;
    return arena_format(arena, percent < 9.95 ? "%.1f %%" : "%.0f %%", percent);
}

const char *words_duration(uint64_t ns, struct arena *arena)
{
    static const struct {
        double ns;
        const char *unit;
    } units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}};
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        double value = (double)ns / units[i].ns;
        if (value >= 0.9995) /* 999.5 µs is shown as 1.00 ms */
            return arena_format(arena, "%.*f %s", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value, units[i].unit);
    }
    return arena_format(arena, "%llu ns", (unsigned long long)ns);
}

const char *words_function(const struct frame *frame, struct arena *arena)
{
    char name[256];
    return arena_copy(arena, function_name_short(frame, name, sizeof(name)));
}

const char *words_frame(const struct frame *frame, struct arena *arena)
{
    const char *function = words_function(frame, arena);
    if (frame->file && frame->line)
        return arena_format(arena, "%s (%s:%u)", function, frame->file, frame->line);
    return arena_format(arena, frame->kind == FRAME_PYTHON ? "%2$s.%1$s" : "%s (%s)", function, frame->module);
}

const char *words_time(uint64_t real_ns, struct arena *arena)
{
    struct tm parts;
    char text[40];
    time_t seconds = (time_t)(real_ns / 1000000000);
    if (!gmtime_r(&seconds, &parts) || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts) == 0)
        return "?";
    return arena_format(arena, "%s.%03uZ", text, (unsigned)(real_ns / 1000000 % 1000));
}
