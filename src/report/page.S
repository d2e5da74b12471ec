/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The built page (src/report/page), byte by byte: see page.h. The assembler finds page.html on its include path. */
    .section .rodata
    .global page_html
    .global page_html_end
    .type page_html, @object
page_html:
    .incbin "page.html"
page_html_end:
    .byte 0
    .size page_html, . - page_html
    .section .note.GNU-stack, "", @progbits
