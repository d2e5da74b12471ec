/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Huffman code of HTTP/2 header strings (RFC 7541, section 5.2 and appendix B), decoded a byte at a time. */
#ifndef CPROBE_WIRE_HUFFMAN_H
#define CPROBE_WIRE_HUFFMAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero: at the beginning of a string. */
struct huffman {
    uint64_t bits; /* the last `count` of them belong to a symbol that is not complete */
    uint32_t count;
};

/* Of one code byte at most two characters come: the shortest symbol is 5 bits, and up to 7 may be left over. */
#define HUFFMAN_OUT 2

/*
 * Decodes one more byte into out[0..HUFFMAN_OUT). Returns the number of characters, or -1: no string is coded so. What
 * is left over at a string's end is padding.
 */
int huffman_decode(struct huffman *h, uint8_t byte, uint8_t *out);

#endif
