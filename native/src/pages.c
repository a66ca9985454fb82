/* Pages of the system's memory: what mmap and its relatives do, in the one call shape, so that a start links no other. */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#include "panamba.h"

/* A page that becomes present brings its neighbours along, so many bytes at a time unless a system was told otherwise. Asking once for
 * each such window takes Linux a quarter less than asking for all of a file, and nobody waits long who maps memory meanwhile. */
enum { WINDOW = 64 << 10, PAGE = 4096 };

static char *at(int64_t address)
{
    return (char *)(intptr_t)address;
}

int pb_pages_map(struct pb_pages_map_args *args, int64_t begin, int64_t end)
{
    char *pages = mmap(NULL, (size_t)(end - begin), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return errno;
    args->pages = (intptr_t)pages;
    return PB_OK;
}

int pb_pages_unmap(const void *args, int64_t begin, int64_t end)
{
    (void)args;
    return munmap(at(begin), (size_t)(end - begin)) == 0 ? PB_OK : errno;
}

int pb_pages_forbid(const void *args, int64_t begin, int64_t end)
{
    (void)args;
    return mprotect(at(begin), (size_t)(end - begin), PROT_NONE) == 0 ? PB_OK : errno;
}

int pb_pages_join(const void *args, int64_t begin, int64_t end)
{
    (void)args;
    return madvise(at(begin), (size_t)(end - begin), MADV_HUGEPAGE) == 0 ? PB_OK : errno;
}

int pb_pages_read_ahead(const void *args, int64_t begin, int64_t end)
{
    (void)args;
#ifdef MADV_POPULATE_READ
    for (int64_t page = begin; page < end; page = (page / WINDOW + 1) * WINDOW)
        if (madvise(at(page), PAGE, MADV_POPULATE_READ) != 0) return errno;
#else
    (void)begin, (void)end;
#endif
    return PB_OK;
}
