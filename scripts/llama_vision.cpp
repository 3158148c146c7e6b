// Loads a projector of images without its data, warms it up, and prints its weights and compute buffers in bytes: their sum, as libmtmd
// reports it. Arguments: file, flash attention (1 or 0).
#include "clip-impl.h"
#include "clip.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
int main(int argc, char ** argv) {
    clip_context_params params = {};
    params.flash_attn_type = atoi(argv[2]) ? CLIP_FLASH_ATTN_TYPE_ENABLED : CLIP_FLASH_ATTN_TYPE_DISABLED;
    params.image_min_tokens = params.image_max_tokens = -1;
    params.warmup = true;
    params.no_alloc = true;
    auto made = clip_init(argv[1], params);
    if (!made.ctx_v) return 1;
    size_t total = 0;
    for (auto & [device, bytes] : clip_get_mem_usage(made.ctx_v)) total += bytes;
    printf("{\"total\": %zu}\n", total);
    fflush(stdout);
    _Exit(0);
}
