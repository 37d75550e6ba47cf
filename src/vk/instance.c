// SPDX-License-Identifier: MIT
//
// Loads Vulkan and makes the instance. Whatever goes wrong here leaves an empty list of devices and
// a sentence about why.
#include "vk/instance.h"

#include "util/system.h"

#include <stdio.h>
#include <string.h>

#define LAYER "VK_LAYER_KHRONOS_validation"
#if defined(_WIN32)
#define LOADER "vulkan-1.dll"
#elif defined(__APPLE__)
#define LOADER "libvulkan.dylib or libMoltenVK.dylib"
#elif defined(__ANDROID__)
#define LOADER "libvulkan.so"
#else
#define LOADER "libvulkan.so.1"
#endif

const char *vka_vk_result_name(VkResult result)
{
    static const struct {
        VkResult result;
        const char *name;
    } names[] = {
#define NAME(name) {name, #name}
        NAME(VK_SUCCESS),
        NAME(VK_NOT_READY),
        NAME(VK_TIMEOUT),
        NAME(VK_INCOMPLETE),
        NAME(VK_ERROR_OUT_OF_HOST_MEMORY),
        NAME(VK_ERROR_OUT_OF_DEVICE_MEMORY),
        NAME(VK_ERROR_INITIALIZATION_FAILED),
        NAME(VK_ERROR_DEVICE_LOST),
        NAME(VK_ERROR_MEMORY_MAP_FAILED),
        NAME(VK_ERROR_LAYER_NOT_PRESENT),
        NAME(VK_ERROR_EXTENSION_NOT_PRESENT),
        NAME(VK_ERROR_FEATURE_NOT_PRESENT),
        NAME(VK_ERROR_INCOMPATIBLE_DRIVER),
        NAME(VK_ERROR_TOO_MANY_OBJECTS),
        NAME(VK_ERROR_FRAGMENTED_POOL),
        NAME(VK_ERROR_OUT_OF_POOL_MEMORY),
        NAME(VK_ERROR_INVALID_SHADER_NV),
        NAME(VK_ERROR_UNKNOWN),
#undef NAME
    };
    for (size_t i = 0; i < VKA_COUNT(names); i++) {
        if (names[i].result == result)
            return names[i].name;
    }
    return "an unknown VkResult";
}

// --- messages of the loader and of the layer ---

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT types,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data,
                                                 void *user)
{
    struct vka_vk *vk = user;
    const char *text = data->pMessage ? data->pMessage : "";
    bool layer = types & (VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT |
                          VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT);
    if (layer) {
        atomic_fetch_add(&vk->messages, 1);
        const char *id = data->pMessageIdName ? data->pMessageIdName : "";
        bool told = strstr(text, id) != NULL;
        vka_log(vk->context, VKA_LOG_WARN, "validation: %s%s%s", told ? "" : id, told ? "" : ": ",
                text);
        return VK_FALSE;
    }
    vka_log(vk->context, VKA_LOG_DEBUG, "Vulkan loader: %s", text);
    // While the instance is made, one thread: the loader's first complaint is the cause.
    if (!vk->instance && severity >= VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT && !vk->words[0])
        snprintf(vk->words, sizeof vk->words, "%s", text);
    return VK_FALSE;
}

static VkDebugUtilsMessengerCreateInfoEXT messenger_info(struct vka_vk *vk)
{
    return (VkDebugUtilsMessengerCreateInfoEXT){
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                           VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_GENERAL_BIT_EXT |
                       VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT |
                       VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
        .pfnUserCallback = on_message,
        .pUserData = vk,
    };
}

// --- the instance ---

struct global_calls { // that need no instance
    PFN_vkCreateInstance create;
    PFN_vkEnumerateInstanceVersion version;
    PFN_vkEnumerateInstanceLayerProperties layers;
    PFN_vkEnumerateInstanceExtensionProperties extensions;
};

static bool load_globals(PFN_vkGetInstanceProcAddr get, struct global_calls *g)
{
    g->create = (PFN_vkCreateInstance)get(NULL, "vkCreateInstance");
    g->version = (PFN_vkEnumerateInstanceVersion)get(NULL, "vkEnumerateInstanceVersion");
    g->layers =
        (PFN_vkEnumerateInstanceLayerProperties)get(NULL, "vkEnumerateInstanceLayerProperties");
    g->extensions = (PFN_vkEnumerateInstanceExtensionProperties)get(
        NULL, "vkEnumerateInstanceExtensionProperties");
    return g->create && g->version && g->layers && g->extensions;
}

bool vka_vk_load(struct vka_vk *vk)
{
    struct vka_instance_calls *c = &vk->call;
    bool complete = true;
#define LOAD(name)                                                                                 \
    c->name = (PFN_##name)vk->get(vk->instance, #name);                                            \
    complete = complete && c->name;
    VKA_INSTANCE_CALLS(LOAD)
    if (vk->validating) {
        LOAD(vkCreateDebugUtilsMessengerEXT)
        LOAD(vkDestroyDebugUtilsMessengerEXT)
    }
#undef LOAD
#ifdef VK_KHR_cooperative_matrix
    c->vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR =
        (PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)vk->get(
            vk->instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
#endif
    return complete;
}

// False: the extension isn't there, or can't be asked for.
static bool has_extension(struct vka_vk *vk, const struct global_calls *g, const char *layer,
                          const char *name)
{
    uint32_t count = 0;
    if (g->extensions(layer, &count, NULL) < 0 || count == 0)
        return false;
    VkExtensionProperties *list = vka_calloc(vk->context, count, sizeof *list);
    bool found = false;
    if (list && g->extensions(layer, &count, list) >= 0) {
        for (uint32_t i = 0; i < count; i++)
            found = found || strcmp(list[i].extensionName, name) == 0;
    }
    vka_free(vk->context, list);
    return found;
}

static bool has_layer(struct vka_vk *vk, const struct global_calls *g)
{
    uint32_t count = 0;
    if (g->layers(&count, NULL) < 0 || count == 0)
        return false;
    VkLayerProperties *list = vka_calloc(vk->context, count, sizeof *list);
    bool found = false;
    if (list && g->layers(&count, list) >= 0) {
        for (uint32_t i = 0; i < count; i++)
            found = found || strcmp(list[i].layerName, LAYER) == 0;
    }
    vka_free(vk->context, list);
    return found;
}

static VkResult create_instance(struct vka_vk *vk, const struct global_calls *g)
{
    // 1.3 is the newest that variants make use of; a device may offer less, down to 1.1.
    VkApplicationInfo app = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                             .pApplicationName = "vkattn",
                             .pEngineName = "vkattn",
                             .apiVersion = VK_API_VERSION_1_3};
    VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                                 .pApplicationInfo = &app};
    const char *layers[] = {LAYER}, *extensions[3];
    VkDebugUtilsMessengerCreateInfoEXT messenger = messenger_info(vk);
    VkValidationFeatureEnableEXT enable =
        VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT;
    VkValidationFeaturesEXT features = {.sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
                                        .enabledValidationFeatureCount = 1,
                                        .pEnabledValidationFeatures = &enable};
    info.ppEnabledExtensionNames = extensions;
    info.ppEnabledLayerNames = layers;
    if (has_extension(vk, g, NULL, VK_EXT_DEBUG_UTILS_EXTENSION_NAME)) {
        extensions[info.enabledExtensionCount++] = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
        info.pNext = &messenger; // hears what goes wrong inside vkCreateInstance
    }
    if (vk->validating) {
        info.enabledLayerCount = 1;
        extensions[info.enabledExtensionCount++] = VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME;
        features.pNext = info.pNext;
        info.pNext = &features;
    }
#ifdef VK_KHR_portability_enumeration
    if (has_extension(vk, g, NULL, VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME)) {
        extensions[info.enabledExtensionCount++] = VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME;
        info.flags |= VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR;
    }
#endif
    VkInstance instance = NULL;
    VkResult result = g->create(&info, NULL, &instance);
    vk->instance = result == VK_SUCCESS ? instance : NULL;
    return result;
}

void vka_vk_set_reason(struct vka_vk *vk, const char *what)
{
    static const char *const variables[] = {"VK_DRIVER_FILES", "VK_ICD_FILENAMES"};
    int at = snprintf(vk->reason, sizeof vk->reason, "%.200s%s%.300s", what,
                      vk->words[0] ? ": " : "", vk->words);
    // A file named by hand is the likeliest cause, and old loaders don't tell its name.
    for (size_t i = 0; i < VKA_COUNT(variables); i++) {
        const char *value = vka_getenv(variables[i]);
        if (!value || at < 0 || (size_t)at >= sizeof vk->reason)
            continue;
        snprintf(vk->reason + at, sizeof vk->reason - (size_t)at, " (%s=%.200s)", variables[i],
                 value);
        return;
    }
}

static bool start_instance(struct vka_vk *vk)
{
    struct global_calls g;
    vk->get = vka_loader_find();
    if (!vk->get) {
        snprintf(vk->reason, sizeof vk->reason, "no Vulkan loader (" LOADER ") here");
        return false;
    }
    if (!load_globals(vk->get, &g)) {
        vka_vk_set_reason(vk, "the Vulkan loader is older than Vulkan 1.1");
        return false;
    }
    if (vk->context->validation) {
        vk->validating = has_layer(vk, &g) &&
                         has_extension(vk, &g, LAYER, VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME) &&
                         has_extension(vk, &g, NULL, VK_EXT_DEBUG_UTILS_EXTENSION_NAME);
        if (!vk->validating)
            vka_log(vk->context, VKA_LOG_WARN,
                    "validation is wanted, but the layer " LAYER " isn't installed");
    }
    VkResult result = create_instance(vk, &g);
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER) {
        vka_vk_set_reason(vk, "the Vulkan loader found no driver that works");
        return false;
    }
    if (result != VK_SUCCESS) {
        char what[96];
        snprintf(what, sizeof what, "vkCreateInstance failed with %s", vka_vk_result_name(result));
        vka_vk_set_reason(vk, what);
        return false;
    }
    if (!vka_vk_load(vk)) {
        vka_vk_set_reason(vk, "the Vulkan loader lacks functions of Vulkan 1.1");
        return false;
    }
    return true;
}

static bool start_messenger(struct vka_vk *vk)
{
    if (!vk->validating)
        return true;
    VkDebugUtilsMessengerCreateInfoEXT info = messenger_info(vk);
    VkResult result =
        vk->call.vkCreateDebugUtilsMessengerEXT(vk->instance, &info, NULL, &vk->messenger);
    if (result == VK_SUCCESS)
        return true;
    char what[96];
    snprintf(what, sizeof what, "vkCreateDebugUtilsMessengerEXT failed with %s",
             vka_vk_result_name(result));
    vka_vk_set_reason(vk, what);
    return false;
}

void vka_vk_read_limits_switch(struct vka_vk *vk)
{
    static const char *const words[] = {"min", "gpu", NULL};
    const char *word = vka_getenv_word(vk->context, "VKATTN_LIMITS", words);
    vk->minimum = word == words[0];
    vk->as_gpu = word == words[1];
}

vka_result vka_vk_create(vka_context *context, struct vka_vk **out)
{
    *out = NULL;
    if (context->no_vulkan)
        return VKA_OK;
    struct vka_vk *vk = vka_calloc(context, 1, sizeof *vk);
    if (!vk)
        return vka_out_of_memory(context);
    vk->context = context;
    vka_vk_read_limits_switch(vk);
    vka_result result = VKA_OK;
    if (start_instance(vk) && start_messenger(vk))
        result = vka_vk_list(vk);
    if (result != VKA_OK) {
        vka_vk_destroy(vk);
        return result;
    }
    if (vk->count == 0)
        vka_log(context, VKA_LOG_INFO, "Vulkan is not used: %s", vk->reason);
    *out = vk;
    return VKA_OK;
}

void vka_vk_destroy(struct vka_vk *vk)
{
    if (!vk)
        return;
    if (vk->messenger)
        vk->call.vkDestroyDebugUtilsMessengerEXT(vk->instance, vk->messenger, NULL);
    if (vk->instance && vk->call.vkDestroyInstance)
        vk->call.vkDestroyInstance(vk->instance, NULL);
    vka_free(vk->context, vk->devices);
    vka_free(vk->context, vk);
}

int vka_vk_count(const struct vka_vk *vk)
{
    return vk ? vk->count : 0;
}

const vka_device_info *vka_vk_info(const struct vka_vk *vk, int i)
{
    return &vk->devices[i].info;
}

const char *vka_vk_reason(const struct vka_vk *vk)
{
    return vk ? vk->reason : "Vulkan is switched off";
}

int vka_vk_validation_count(const struct vka_vk *vk)
{
    return vk && vk->messenger ? atomic_load(&((struct vka_vk *)vk)->messages) : -1;
}
