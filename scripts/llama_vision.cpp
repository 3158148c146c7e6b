// Loads a projector of images without its data, warms it up, and prints its weights and compute buffers in bytes: their sum, as libmtmd
// reports it, and those of each device (llama_device.cpp). Arguments: file, flash attention (1, 0 or -1), and the image's width and
// height, if it is not the warm-up's.
#include "clip.cpp"
#include "ggml-backend.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
void register_devices();
int main(int argc, char ** argv) {
    if (getenv("PROBE_DEVICES")) register_devices();
    clip_context_params params = {};
    int flash = atoi(argv[2]);
    params.flash_attn_type = flash < 0 ? CLIP_FLASH_ATTN_TYPE_AUTO : flash ? CLIP_FLASH_ATTN_TYPE_ENABLED : CLIP_FLASH_ATTN_TYPE_DISABLED;
    params.use_gpu = getenv("PROBE_DEVICES") != nullptr;
    params.image_min_tokens = params.image_max_tokens = -1;
    params.warmup = true;
    params.no_alloc = true;
    auto made = clip_init(argv[1], params);
    if (!made.ctx_v) return 1;
    if (argc > 4) {
        clip_image_f32_batch batch;
        clip_image_f32 image;
        image.set_size({atoi(argv[3]), atoi(argv[4])}, false, false);
        batch.entries.push_back(image);
        clip_model_loader::warmup(*made.ctx_v, batch);
    }
    size_t total = 0;
    for (auto & [device, bytes] : clip_get_mem_usage(made.ctx_v)) {
        printf("%s = %zu\n", ggml_backend_dev_name(device), bytes);
        total += bytes;
    }
    printf("{\"total\": %zu}\n", total);
    fflush(stdout);
    _Exit(0);
}
