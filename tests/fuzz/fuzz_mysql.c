/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fuzz_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_parser(&mysql_parser, data, size);
}
