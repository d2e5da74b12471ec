/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/units.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/compiler.h"

#define NS_PER_SECOND UINT64_C(1000000000)

/* Three significant digits of value, which is below 1000. */
static void digits_print(double value, const char *unit, char *buffer, size_t size)
{
    int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    snprintf(buffer, size, "%.*f %s", decimals, value, unit);
}

const char *unit_duration(uint64_t ns, char *buffer, size_t size)
{
    uint64_t seconds = ns / NS_PER_SECOND + (ns % NS_PER_SECOND >= NS_PER_SECOND / 2);

    if (ns < 1000)
        snprintf(buffer, size, "%" PRIu64 " ns", ns);
    else if (ns < 999500)
        digits_print((double)ns / 1e3, "µs", buffer, size);
    else if (ns < 999500000)
        digits_print((double)ns / 1e6, "ms", buffer, size);
    else if (seconds < 120)
        digits_print((double)ns / 1e9, "s", buffer, size);
    else if (seconds < 7200)
        snprintf(buffer, size, "%" PRIu64 " min %02" PRIu64 " s", seconds / 60, seconds % 60);
    else
        snprintf(buffer, size, "%" PRIu64 " h %02" PRIu64 " min", seconds / 3600, seconds / 60 % 60);
    return buffer;
}

const char *unit_share(double share, char *buffer, size_t size)
{
    double percent = share * 100;

    if (!isfinite(share) || share < 0)
        snprintf(buffer, size, "?");
    else if (percent > 0 && percent < 0.1)
        snprintf(buffer, size, "< 0.1 %%");
    else
        snprintf(buffer, size, percent < 99.95 ? "%.1f %%" : "%.0f %%", percent);
    return buffer;
}

const char *unit_part(uint64_t part, uint64_t whole, char *buffer, size_t size)
{
    if (whole > 0)
        return unit_share((double)part / (double)whole, buffer, size);
    snprintf(buffer, size, "-");
    return buffer;
}

const char *unit_count(uint64_t count, char *buffer, size_t size)
{
    if (count < 1000)
        snprintf(buffer, size, "%" PRIu64, count);
    else if (count < 1000000)
        snprintf(buffer, size, "%" PRIu64 ",%03" PRIu64, count / 1000, count % 1000);
    else if (count < 999500000)
        digits_print((double)count / 1e6, "M", buffer, size);
    else
        snprintf(buffer, size, "%.2f G", (double)count / 1e9);
    return buffer;
}

static void time_print(uint64_t real_ns, const char *format, char *buffer, size_t size)
{
    time_t seconds = (time_t)(real_ns / NS_PER_SECOND);
    struct tm parts;

    if (!gmtime_r(&seconds, &parts) || strftime(buffer, size, format, &parts) == 0)
        buffer[0] = '\0';
}

const char *unit_rfc3339(uint64_t real_ns, char *buffer, size_t size)
{
    char date[UNIT_SIZE];

    time_print(real_ns, "%Y-%m-%dT%H:%M:%S", date, sizeof(date));
    snprintf(buffer, size, "%s.%03uZ", date, (unsigned)(real_ns % NS_PER_SECOND / 1000000));
    return buffer;
}

const char *unit_date(uint64_t real_ns, char *buffer, size_t size)
{
    time_print(real_ns, "%Y-%m-%d %H:%M:%S", buffer, size);
    return buffer;
}

const char *unit_spark(const uint64_t *values, size_t count, char *buffer, size_t size)
{
    static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    const size_t steps = sizeof(blocks) / sizeof(blocks[0]) - 1;
    uint64_t most = 1;
    size_t length = 0;

    for (size_t i = 0; i < count; i++)
        most = values[i] > most ? values[i] : most;
    buffer[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        size_t height = (size_t)((double)values[i] / (double)most * (double)steps + 0.5);
        const char *block = blocks[values[i] > 0 && height == 0 ? 1 : height];
        if (length + strlen(block) >= size)
            break;
        memcpy(buffer + length, block, strlen(block) + 1);
        length += strlen(block);
    }
    return buffer;
}
