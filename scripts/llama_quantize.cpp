// prints the type of each tensor that llama-quantize chooses, without reading data: llama_quantize FILE FTYPE IMATRIX(0|1)
#include "llama.h"
#include <cstdio>
#include <cstdlib>
static void log_line(ggml_log_level, const char * text, void *) { fputs(text, stdout); }
int main(int, char ** argv) {
    llama_log_set(log_line, nullptr);
    auto params = llama_model_quantize_default_params();
    params.ftype = (llama_ftype) atoi(argv[2]);
    params.dry_run = true;
    params.nthread = 1;
    static float one = 1.0f;
    llama_model_imatrix_data imatrix[] = {{"none", &one, 1}, {nullptr, nullptr, 0}};
    if (atoi(argv[3])) params.imatrix = imatrix;
    return llama_model_quantize(argv[1], "/dev/null", &params);
}
