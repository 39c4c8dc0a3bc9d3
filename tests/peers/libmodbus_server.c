/* A Modbus server on Debian's libmodbus, as an independent peer of our driver.
 *
 *   libmodbus_server tcp          listens on the loopback, prints its port
 *   libmodbus_server rtu DEVICE   unit 1 at 115200 8N1 on DEVICE, prints "ready"
 *
 * Tables of 100 addresses each: coil n is on for odd n, discrete input n for n divisible by 3,
 * input register n holds n * 257, holding register n holds 0xffff - n. Ends with its input.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus/modbus.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SIZE = 100, UNIT = 1 };

static void fill(modbus_mapping_t *map) {
  for (int n = 0; n < SIZE; n++) {
    map->tab_bits[n] = n % 2;
    map->tab_input_bits[n] = n % 3 == 0;
    map->tab_input_registers[n] = (uint16_t)(n * 257);
    map->tab_registers[n] = (uint16_t)(0xffff - n);
  }
}

/* Serve until the peer is gone or our input ends; returns 0 when the input ended. */
static int serve(modbus_t *context, modbus_mapping_t *map) {
  uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
  struct pollfd wanted[2] = {{.fd = 0, .events = POLLIN},
                             {.fd = modbus_get_socket(context), .events = POLLIN}};
  for (;;) {
    if (poll(wanted, 2, -1) < 0) return 0;
    if (wanted[0].revents) return 0;
    int size = modbus_receive(context, query);
    if (size > 0) {
      modbus_reply(context, query, size, map);
    } else if (size < 0 && (errno == ECONNRESET || errno == EBADF || errno == EPIPE)) {
      return 1;
    }
  }
}

static int serve_tcp(modbus_mapping_t *map) {
  modbus_t *context = modbus_new_tcp("127.0.0.1", 0);
  int listener = context == NULL ? -1 : modbus_tcp_listen(context, 1);
  struct sockaddr_in address;
  socklen_t length = sizeof address;
  if (listener < 0 || getsockname(listener, (struct sockaddr *)&address, &length) < 0) return 1;
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  struct pollfd wanted[2] = {{.fd = 0, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
  while (poll(wanted, 2, -1) > 0 && !wanted[0].revents) {
    if (modbus_tcp_accept(context, &listener) < 0) return 1;
    if (!serve(context, map)) break;
    modbus_close(context);
  }
  return 0;
}

static int serve_rtu(const char *device, modbus_mapping_t *map) {
  modbus_t *context = modbus_new_rtu(device, 115200, 'N', 8, 1);
  if (context == NULL || modbus_set_slave(context, UNIT) < 0 || modbus_connect(context) < 0) {
    return 1;
  }
  puts("ready");
  fflush(stdout);
  serve(context, map);
  return 0;
}

int main(int argc, char **argv) {
  modbus_mapping_t *map = modbus_mapping_new(SIZE, SIZE, SIZE, SIZE);
  int failed = 1;
  signal(SIGPIPE, SIG_IGN);
  if (map == NULL) return 1;
  fill(map);
  if (argc == 2 && strcmp(argv[1], "tcp") == 0) failed = serve_tcp(map);
  if (argc == 3 && strcmp(argv[1], "rtu") == 0) failed = serve_rtu(argv[2], map);
  if (failed) fprintf(stderr, "%s\n", modbus_strerror(errno));
  return failed;
}
