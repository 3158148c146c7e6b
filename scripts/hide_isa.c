/* Hides instruction sets from a process and all its libraries: LD_PRELOAD it with HIDE_ISA=avx2, avx2-vnni, avx512,
 * avx512-vnni or avx512-bf16, and the CPUID instruction reports no later set.
 *
 * ONEDNN_MAX_CPU_ISA hides instructions from oneDNN alone: OpenVINO's plugin asks CPUID itself, chooses bfloat16 where it
 * finds it, and compilation fails. Linux can make CPUID fault (arch_prctl(ARCH_SET_CPUID, 0), where /proc/cpuinfo lists
 * cpuid_fault: Intel since Ivy Bridge, AMD since Zen 4 on bare metal); the handler runs it and clears bits of the answer.
 * New threads inherit the setting, programs that are executed do not. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef ARCH_SET_CPUID
#define ARCH_SET_CPUID 0x1012
#endif

#define BIT(n) (UINT32_C(1) << (n))

enum isa { AVX2, AVX2_VNNI, AVX512, AVX512_VNNI, AVX512_BF16, N_ISAS };
static const char *const names[N_ISAS] = {"avx2", "avx2-vnni", "avx512", "avx512-vnni", "avx512-bf16"};
static enum isa shown;
static struct sigaction previous;

struct answer {
    uint32_t a, b, c, d;
};

static long let_cpuid(int allowed) {
    long result;
    register long number __asm__("rax") = SYS_arch_prctl;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "r"(number), "D"((long)ARCH_SET_CPUID), "S"((long)allowed)
                     : "rcx", "r11", "memory");
    return result;
}

static struct answer ask(uint32_t leaf, uint32_t subleaf) {
    struct answer answer;
    __asm__ volatile("cpuid"
                     : "=a"(answer.a), "=b"(answer.b), "=c"(answer.c), "=d"(answer.d)
                     : "a"(leaf), "c"(subleaf));
    return answer;
}

/* Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, CPUID. */
static void hide(struct answer *answer, uint32_t leaf, uint32_t subleaf) {
    if (leaf == 7 && subleaf == 0) {
        answer->d &= ~(BIT(22) | BIT(23) | BIT(24) | BIT(25)); /* AMX-BF16, AVX512-FP16, AMX-TILE, AMX-INT8 */
        if (shown < AVX512_VNNI)
            answer->c &= ~BIT(11); /* AVX512-VNNI */
        if (shown < AVX512) {
            /* F, DQ, IFMA, PF, ER, CD, BW, VL; VBMI, VBMI2, BITALG, VPOPCNTDQ; 4VNNIW, 4FMAPS, VP2INTERSECT. */
            answer->b &= ~(BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31));
            answer->c &= ~(BIT(1) | BIT(6) | BIT(12) | BIT(14));
            answer->d &= ~(BIT(2) | BIT(3) | BIT(8));
        }
    } else if (leaf == 7 && subleaf == 1) {
        answer->a &= ~BIT(21); /* AMX-FP16 */
        if (shown < AVX512_BF16)
            answer->a &= ~BIT(5); /* AVX512-BF16 */
        if (shown != AVX2_VNNI && shown < AVX512_VNNI)
            answer->a &= ~BIT(4); /* AVX-VNNI */
        answer->d &= ~(BIT(4) | BIT(5) | BIT(10) | BIT(19)); /* AVX-VNNI-INT8, AVX-NE-CONVERT, AVX-VNNI-INT16, AVX10 */
    } else if (leaf == 0xd && subleaf == 0) {
        answer->a &= ~(BIT(17) | BIT(18)); /* state of tiles */
        if (shown < AVX512)
            answer->a &= ~(BIT(5) | BIT(6) | BIT(7)); /* state of masks and 512-bit registers */
    } else if (leaf == 0x1d || leaf == 0x1e || leaf == 0x24) {
        memset(answer, 0, sizeof *answer); /* tiles, AVX10 */
    }
}

static void on_fault(int signal, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *code = (const uint8_t *)registers[REG_RIP];
    (void)signal;
    if (info->si_code != SI_KERNEL || code[0] != 0x0f || code[1] != 0xa2) {
        /* Not a CPUID: the fault happens again, under the handler that was there before. */
        sigaction(SIGSEGV, &previous, NULL);
        return;
    }
    uint32_t leaf = (uint32_t)registers[REG_RAX], subleaf = (uint32_t)registers[REG_RCX];
    let_cpuid(1);
    struct answer answer = ask(leaf, subleaf);
    let_cpuid(0);
    hide(&answer, leaf, subleaf);
    registers[REG_RAX] = answer.a;
    registers[REG_RBX] = answer.b;
    registers[REG_RCX] = answer.c;
    registers[REG_RDX] = answer.d;
    registers[REG_RIP] += 2;
}

__attribute__((constructor(101))) static void start(void) {
    const char *wanted = getenv("HIDE_ISA");
    if (!wanted || !*wanted)
        return;
    int found = 0;
    while (found < N_ISAS && strcmp(wanted, names[found]) != 0)
        found++;
    if (found == N_ISAS) {
        fprintf(stderr, "hide_isa: HIDE_ISA is \"%s\", which is no instruction set\n", wanted);
        _exit(2);
    }
    shown = (enum isa)found;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &previous);
    if (let_cpuid(0) != 0) {
        fprintf(stderr, "hide_isa: this processor cannot hide instructions (no cpuid_fault in /proc/cpuinfo)\n");
        _exit(3);
    }
}
