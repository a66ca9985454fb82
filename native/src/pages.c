/* Pages of the system's memory: what mmap and its relatives do, in the one call shape, so that a start links no other. */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#include "panamba.h"

/* Nobody else of the process can map or unmap memory while pages are made present, so they are so many bytes at a time. */
enum { READ_AHEAD = 4 << 20 };

int pb_pages_map(const struct pb_pages_args *args, int64_t begin, int64_t end)
{
    void *pages = mmap(NULL, (size_t)(end - begin), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return errno;
    *args->mapped = pages;
    return PB_OK;
}

int pb_pages_unmap(const struct pb_pages_args *args, int64_t begin, int64_t end)
{
    return munmap(args->pages + begin, (size_t)(end - begin)) == 0 ? PB_OK : errno;
}

int pb_pages_forbid(const struct pb_pages_args *args, int64_t begin, int64_t end)
{
    return mprotect(args->pages + begin, (size_t)(end - begin), PROT_NONE) == 0 ? PB_OK : errno;
}

int pb_pages_join(const struct pb_pages_args *args, int64_t begin, int64_t end)
{
    return madvise(args->pages + begin, (size_t)(end - begin), MADV_HUGEPAGE) == 0 ? PB_OK : errno;
}

int pb_pages_read_ahead(const struct pb_pages_args *args, int64_t begin, int64_t end)
{
#ifdef MADV_POPULATE_READ
    for (int64_t at = begin; at < end; at += READ_AHEAD) {
        const int64_t bytes = end - at < READ_AHEAD ? end - at : READ_AHEAD;
        if (madvise(args->pages + at, (size_t)bytes, MADV_POPULATE_READ) != 0) return errno;
    }
#else
    (void)args, (void)begin, (void)end;
#endif
    return PB_OK;
}
