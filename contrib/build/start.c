/*
 * The start of the static binary, before musl's own. The linker packs the relocations of a position-independent program into a
 * sixtieth of their size (RELR); musl learned to read that in 1.2.4 and Debian 12 has 1.2.3. So they are applied here, once, and
 * then taken out of musl's sight. Nothing here may itself need a relocation.
 */
#include <stddef.h>

enum { DT_RELRSZ = 35, DT_RELR = 36 };

extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern size_t _DYNAMIC[] __attribute__((visibility("hidden")));

__attribute__((visibility("hidden"), used)) void apply_packed_relocations(void) {
    size_t base = (size_t)__ehdr_start, size = 0, *next = 0, *where = 0;
    for (size_t *entry = _DYNAMIC; entry[0]; entry += 2) {
        if (entry[0] == DT_RELR) next = (size_t *)(base + entry[1]);
        if (entry[0] == DT_RELRSZ) { size = entry[1]; entry[1] = 0; }
    }
    for (; size; next++, size -= sizeof(size_t)) {
        if (!(*next & 1)) { /* an address */
            where = (size_t *)(base + *next);
            *where++ += base;
        } else { /* a bit for each of the words that follow */
            for (size_t bits = *next >> 1, i = 0; bits; bits >>= 1, i++)
                if (bits & 1) where[i] += base;
            where += 8 * sizeof(size_t) - 1;
        }
    }
}

__asm__(".globl start_packed\n"
        "start_packed:\n"
        "    mov %rsp, %r12\n"
        "    and $-16, %rsp\n"
        "    call apply_packed_relocations\n"
        "    mov %r12, %rsp\n"
        "    jmp _start\n");
