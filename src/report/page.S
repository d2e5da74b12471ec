/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The built page (src/report/page), byte by byte: see page.h. The assembler finds page.html on its include path. */
    .section .rodata
    .global page_html
    .type page_html, @object
page_html:
    .incbin "page.html"
.Lend:
    .byte 0
    .size page_html, . - page_html
    .global page_html_size
    .type page_html_size, @object
    .balign 8
page_html_size:
    .quad .Lend - page_html
    .size page_html_size, 8
    .section .note.GNU-stack, "", @progbits
