// Prints which tensors llama.cpp asks a header-only file for: name, whether it must be there, whether it is, and the dims that are
// expected. The definition here takes the place of the library's.
#include "llama.h"
#include "llama-model-loader.h"
#include <cstdio>
#include <cstdlib>
#include <string>
#include <stdexcept>
const ggml_tensor * llama_model_loader::check_tensor_dims(const std::string & name, const std::vector<int64_t> & ne, bool required, bool allow_reshape) const {
    const ggml_tensor * found = get_tensor_meta(name.c_str());
    printf("%s\t%d\t%d\t", name.c_str(), required, found != nullptr);
    for (size_t i = 0; i < ne.size(); i++) printf("%s%ld", i ? "," : "", (long) ne[i]);
    printf("\n");
    if (!found && required) throw std::runtime_error("tensor '" + name + "' is missing");
    (void) allow_reshape;
    return found;
}
static void quiet(ggml_log_level, const char *, void *) {}
int main(int, char ** argv) {
    llama_log_set(quiet, nullptr); llama_backend_init();
    auto mp = llama_model_default_params(); mp.n_gpu_layers = 0; mp.use_extra_bufts = false; mp.load_mode = LLAMA_LOAD_MODE_NONE; mp.no_alloc = true;
    auto * m = llama_model_load_from_file(argv[1], mp);
    fflush(stdout); _Exit(m ? 0 : 1);
}
