// Devices without hardware, so that llama.cpp assigns layers, splits graphs and reserves buffers for them. Nothing is computed. Linked with llama_probe.cpp. Environment: PROBE_DEVICES (number), PROBE_FREE (MiB of
// each, separated by commas), PROBE_HOST (0: no pinned host buffers), PROBE_ALIGN, PROBE_PAD (elements of a quantized row),
// PROBE_EVENTS (1: asynchronous with events, as pipelines need), PROBE_BATCH (smallest batch of offloaded operators).
#include "ggml-backend-impl.h"
#include "ggml-backend.h"
#include "ggml-impl.h"
#include "ggml.h"
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

static int number(const char * name, int value) { const char * text = getenv(name); return text ? atoi(text) : value; }

struct device {
    std::string name;
    size_t free;
    ggml_backend_buffer_type type;
    ggml_backend_device handle;
};
static std::vector<device *> devices;
static ggml_backend_buffer_type host_type;
static ggml_backend_reg registry;

static device * of(ggml_backend_dev_t dev) { return (device *) dev->context; }
static bool is_own(ggml_backend_buffer_type_t type) {
    for (auto * own : devices) if (type == &own->type) return true;
    return false;
}

// Buffers: memory of the host that nothing reads.
static void free_buffer(ggml_backend_buffer_t buffer) { free(buffer->context); }
static void * base(ggml_backend_buffer_t buffer) { return buffer->context; }
static void set(ggml_backend_buffer_t, ggml_tensor *, const void *, size_t, size_t) {}
static void get(ggml_backend_buffer_t, const ggml_tensor *, void *, size_t, size_t) {}
static void fill(ggml_backend_buffer_t, ggml_tensor *, uint8_t, size_t, size_t) {}
static void clear(ggml_backend_buffer_t, uint8_t) {}
static ggml_backend_buffer_t allocate(ggml_backend_buffer_type_t type, size_t size) {
    ggml_backend_buffer_i interface = {};
    interface.free_buffer = free_buffer; interface.get_base = base; interface.set_tensor = set; interface.get_tensor = get;
    interface.memset_tensor = fill; interface.clear = clear;
    return ggml_backend_buffer_init(type, interface, aligned_alloc(4096, (size + 8191) / 4096 * 4096), size);
}
static const char * type_name(ggml_backend_buffer_type_t type) { return ((device *) type->context)->name.c_str(); }
static const char * host_name(ggml_backend_buffer_type_t) { return "CUDA_Host"; }
static size_t alignment(ggml_backend_buffer_type_t) { return number("PROBE_ALIGN", 128); }
static size_t host_alignment(ggml_backend_buffer_type_t) { return 32; }
static size_t alloc_size(ggml_backend_buffer_type_t, const ggml_tensor * tensor) {
    size_t size = ggml_nbytes(tensor);
    int64_t pad = number("PROBE_PAD", 512);
    if (tensor->op == GGML_OP_FLASH_ATTN_EXT && tensor->src[0]->ne[1] > 1) {
        // As CUDA's kernels for tiles: keys and values in half precision behind the result.
        for (int i = 1; i < 3; i++) {
            if (tensor->src[i]->type != GGML_TYPE_F16) size = GGML_PAD(size, 128) + ggml_nelements(tensor->src[i]) * 2;
        }
    }
    if (ggml_is_quantized(tensor->type) && pad && tensor->ne[0] % pad) size += ggml_row_size(tensor->type, pad - tensor->ne[0] % pad);
    return size;
}
static bool yes(ggml_backend_buffer_type_t) { return true; }

// Backends.
static const char * backend_name(ggml_backend_t backend) { return of(backend->device)->name.c_str(); }
static void backend_free(ggml_backend_t backend) { delete backend; }
static void synchronize(ggml_backend_t) {}
static ggml_status compute(ggml_backend_t, ggml_cgraph *) { return GGML_STATUS_SUCCESS; }
static ggml_backend_t init(ggml_backend_dev_t dev, const char *) {
    static ggml_guid guid = {1};
    ggml_backend_i interface = {};
    interface.get_name = backend_name; interface.free = backend_free; interface.synchronize = synchronize; interface.graph_compute = compute;
    return new ggml_backend{&guid, interface, dev, dev->context};
}

// Devices.
static const char * name(ggml_backend_dev_t dev) { return of(dev)->name.c_str(); }
static void memory(ggml_backend_dev_t dev, size_t * free, size_t * total) { *free = *total = of(dev)->free; }
static enum ggml_backend_dev_type type(ggml_backend_dev_t) { return GGML_BACKEND_DEVICE_TYPE_GPU; }
static void properties(ggml_backend_dev_t dev, ggml_backend_dev_props * props) {
    *props = {};
    props->name = name(dev); props->description = name(dev); props->type = type(dev);
    memory(dev, &props->memory_free, &props->memory_total);
    bool events = number("PROBE_EVENTS", 1);
    props->caps = {events, true, false, events, true};
}
static ggml_backend_buffer_type_t buffer_type(ggml_backend_dev_t dev) { return &of(dev)->type; }
static ggml_backend_buffer_type_t host_buffer_type(ggml_backend_dev_t) { return number("PROBE_HOST", 1) ? &host_type : nullptr; }
// As CUDA's choice of a kernel for attention in one operator, as far as it is the same for all devices.
static bool attends(const ggml_tensor * op) {
    const ggml_tensor * q = op->src[0], * k = op->src[1], * v = op->src[2], * mask = op->src[3];
    int64_t ratio = q->ne[2] / k->ne[2];
    bool grouped = ratio >= 2 && mask && k->ne[1] % 256 == 0;
    for (const ggml_tensor * operand : {q, k, v, mask}) {
        if (!operand || ggml_is_quantized(operand->type)) continue;
        for (int i = 1; i < GGML_MAX_DIMS; i++) grouped &= operand->nb[i] % 16 == 0;
    }
    for (const ggml_tensor * operand : {k, v}) {
        switch (operand->type) {
            case GGML_TYPE_F32: case GGML_TYPE_F16: case GGML_TYPE_BF16: case GGML_TYPE_Q4_0: case GGML_TYPE_Q4_1: case GGML_TYPE_Q5_0:
            case GGML_TYPE_Q5_1: case GGML_TYPE_Q8_0: break;
            default: return false;
        }
    }
    switch (k->ne[0]) {
        case 40: case 64: case 72: case 80: case 96: case 112: case 128: case 256: return v->ne[0] == k->ne[0];
        case 192: return v->ne[0] == 128 && grouped && ratio % 8 == 0;
        case 320: return v->ne[0] == 256 && grouped && ratio % 32 == 0;
        case 512: return v->ne[0] == 512 && grouped;
        case 576: return v->ne[0] == 512 && grouped;
        default: return false;
    }
}
static bool supports_op(ggml_backend_dev_t dev, const ggml_tensor * op) {
    for (int i = 0; i < GGML_MAX_SRC; i++) {
        const ggml_tensor * source = op->src[i];
        if (source && source->buffer && is_own(source->buffer->buft) && source->buffer->buft != &of(dev)->type) return false;
    }
    if (op->op == GGML_OP_SSM_CONV) return op->src[0]->ne[1] % 128 == 0;
    if (op->op == GGML_OP_SSM_SCAN) {
        const int64_t * state = op->src[0]->ne;
        if (op->src[3]->ne[0] != 1) return state[0] == 16 && state[1] == 1 && state[2] % 128 == 0 && op->src[4]->ne[1] == 1;
        return (state[0] == 96 || state[0] == 128 || state[0] == 256) && state[1] % 16 == 0;
    }
    if (op->op == GGML_OP_FLASH_ATTN_EXT) return attends(op);
    if (op->op == GGML_OP_GET_ROWS) {
        switch (op->src[0]->type) {
            case GGML_TYPE_F16: case GGML_TYPE_F32: case GGML_TYPE_BF16: case GGML_TYPE_I32: case GGML_TYPE_Q4_0: case GGML_TYPE_Q4_1:
            case GGML_TYPE_Q5_0: case GGML_TYPE_Q5_1: case GGML_TYPE_Q8_0: return true;
            default: return false;
        }
    }
    return true;
}
static bool supports_type(ggml_backend_dev_t dev, ggml_backend_buffer_type_t type) { return type == &of(dev)->type; }
static bool offload(ggml_backend_dev_t, const ggml_tensor * op) {
    int64_t batch = op->op == GGML_OP_GET_ROWS ? 0 : op->op == GGML_OP_MUL_MAT ? op->ne[1]
        : op->op == GGML_OP_MUL_MAT_ID || op->op == GGML_OP_ROPE ? op->ne[2] : ggml_nrows(op);
    return batch >= number("PROBE_BATCH", 32);
}
static ggml_backend_event_t event_new(ggml_backend_dev_t dev) { return new ggml_backend_event{dev, nullptr}; }
static void event_free(ggml_backend_dev_t, ggml_backend_event_t event) { delete event; }
static void event_wait(ggml_backend_dev_t, ggml_backend_event_t) {}

static const char * registry_name(ggml_backend_reg_t) { return "CUDA"; }
static size_t count(ggml_backend_reg_t) { return devices.size(); }
static ggml_backend_dev_t device_at(ggml_backend_reg_t, size_t index) { return &devices[index]->handle; }
static void * proc(ggml_backend_reg_t, const char *) { return nullptr; }

void register_devices() {
    int wanted = number("PROBE_DEVICES", 0);
    if (wanted == 0) return;
    std::string sizes = getenv("PROBE_FREE") ? getenv("PROBE_FREE") : "";
    registry.api_version = GGML_BACKEND_API_VERSION;
    registry.iface = {registry_name, count, device_at, proc};
    for (int index = 0; index < wanted; index++) {
        auto * own = new device;
        own->name = "CUDA" + std::to_string(index);
        size_t comma = sizes.find(',');
        std::string first = sizes.substr(0, comma);
        own->free = (first.empty() ? 24576 : atoll(first.c_str())) << 20;
        if (comma != std::string::npos) sizes = sizes.substr(comma + 1);
        own->handle = {};
        auto & face = own->handle.iface;
        face.get_name = name; face.get_description = name; face.get_memory = memory; face.get_type = type; face.get_props = properties;
        face.init_backend = init; face.get_buffer_type = buffer_type; face.get_host_buffer_type = host_buffer_type;
        face.supports_op = supports_op; face.supports_buft = supports_type; face.offload_op = offload;
        face.event_new = event_new; face.event_free = event_free; face.event_synchronize = event_wait;
        own->handle.reg = &registry; own->handle.context = own;
        own->type = {{type_name, allocate, alignment, nullptr, alloc_size, nullptr}, &own->handle, own};
        devices.push_back(own);
    }
    host_type = {{host_name, allocate, host_alignment, nullptr, nullptr, yes}, &devices[0]->handle, nullptr};
    ggml_backend_register(&registry);
}
