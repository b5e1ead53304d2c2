// A strategy in C without a library: what the contract (sdk/guest/abi, version 0.2) asks of a guest, and a decision as the strategy adaptive
// makes it. It weighs each next hop by round-trip time, loss and cost, smooths that in the route's block, stays with the one in use unless
// another is a fifth better, and sets a timer for the answer.
//
//   clang --target=wasm32 -O2 -ffreestanding -nostdlib -Wl,--no-entry -o decision.wasm decision.c

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

#define EXPORT(name) __attribute__((export_name(name)))
#define FEATURE_MEASURES (1u << 3)
#define FEATURE_SCRATCH (1u << 4)

__attribute__((import_module("zmesh_0"), import_name("features"))) u64 features(void);

__asm__(".section .custom_section.zmesh.manifest,\"\",@\n"
        ".ascii \"{\\\"manifest\\\":1,\\\"kind\\\":\\\"strategy\\\",\\\"name\\\":\\\"decision\\\",\\\"vendor\\\":\\\"test\\\",\\\"version\\\":\\\"1.0.0\\\","
        "\\\"abi\\\":{\\\"min\\\":\\\"0.2\\\"},\\\"state\\\":\\\"decision/1\\\"}\"\n"
        ".text\n");

struct hop {
	u32 face;
	u16 cost, state;
	u32 rtt, var, silent;
	u16 loss, queue;
};

struct event {
	u32 size;
	u16 kind, fixed;
	i64 time;
	u8 name[6], ttl, reason;
	u32 seq, in_face;
	u16 hop_size, hops;
	u32 more;
	i64 expiry;
	u16 length;
	u8 type, fhdr, key, in_kind;
	short signal;
	u32 face, random;
	u8 prefix, facts, zero[6];
};

struct command {
	u8 op, n, reason, zero;
	u32 face;
	i64 delay;
};

struct out {
	u32 size;
	u16 status, count;
	u64 details[2];
	struct command commands[2];
};

// The blocks of one item: the route's, of which 48 bytes are used, then the pending Interest's.
struct scratch {
	u32 used, decisions;
	u64 last;
	u32 weight[8]; // smoothed, µs, of the next hop with the face modulo 8
	u8 rest[96 - 48], pending[64];
};

_Static_assert(sizeof(struct event) == 72 && sizeof(struct hop) == 24 && sizeof(struct command) == 16 && sizeof(struct scratch) == 160, "layout");

#define ITEMS 16

static _Alignas(8) u8 input[8192], output[8192], config[4096];
static struct scratch state[ITEMS];
static _Alignas(8) u32 progress[2];

static struct {
	u32 size, version;
	u64 features;
	void *input; u32 input_size;
	void *output; u32 output_size;
	void *state; u32 state_size;
	void *config; u32 config_size;
	void *progress; u32 progress_size;
	void *message; u32 message_size;
} arena = {
	64, 2, FEATURE_MEASURES | FEATURE_SCRATCH,
	input, sizeof input, output, sizeof output, state, sizeof state, config, sizeof config, progress, 4, 0, 0,
};

EXPORT("zmesh_init") void *init(void) {
	if ((features() & arena.features) != arena.features) __builtin_trap();
	return &arena;
}

EXPORT("zmesh_configure") u32 configure(u32 size) { return 0; }

static void decide(const struct event *ev, struct scratch *s, struct out *o) {
	const u8 *at = (const u8 *)ev + ev->fixed;
	const struct hop *best = 0;
	u32 least = ~0u, others = 0;
	for (u32 left = ev->hops; left > 0; left--, at += ev->hop_size) {
		const struct hop *h = (const struct hop *)at;
		if (h->state & 5) continue; // tried, or the in-face
		others++;
		u32 wait = h->rtt + (h->var > 2500 ? 4 * h->var : 10000);
		u32 weight = h->rtt ? h->rtt : 1000000;
		weight += (u32)((u64)wait * h->loss >> 16) + h->cost * 64u;
		if (h->silent > wait / 1000) weight += 1u << 30;
		u32 *smooth = &s->weight[h->face & 7];
		weight = *smooth ? *smooth - (*smooth >> 3) + (weight >> 3) : weight;
		*smooth = weight;
		if (h->face == s->used) weight -= weight / 5;
		if (weight < least) best = h, least = weight;
	}
	o->status = 0;
	o->count = 0;
	o->details[0] = o->details[1] = 0;
	if (best) {
		s->used = best->face;
		s->decisions++;
		s->last = ev->time;
		o->commands[o->count++] = (struct command){.op = 0, .face = best->face};
		if (others > 1) o->commands[o->count++] = (struct command){.op = 6, .delay = (best->rtt + 4ll * best->var + 10000) * 1000};
	}
	o->size = 24 + o->count * sizeof(struct command);
}

EXPORT("zmesh_process") u32 process(u32 n) {
	const u8 *in = input;
	u8 *out = output;
	for (u32 i = 0; i < n && i < ITEMS; i++) {
		progress[0] = i;
		const struct event *ev = (const struct event *)in;
		struct out *o = (struct out *)out;
		if (ev->kind <= 3 || ev->kind == 5) {
			decide(ev, &state[i], o);
		} else {
			*o = (struct out){.size = 24};
		}
		in += ev->size;
		out += o->size;
	}
	return n;
}
