/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fuzz_wire.h"

/* The same bytes as datagrams and as streams. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_parser(&dns_parser, data, size);
    return fuzz_parser(dns_parser.on_streams, data, size);
}
