# A sensor that anyone can read: its value is set again each second.
#
#   roost run sensor.py
#
# and, with the port that roost prints, here 8080:
#
#   curl http://127.0.0.1:8080/temperature
#
# Ctrl-C ends the loop, and the server still has the last value; Ctrl-C again ends it all.

import machine
import time

from network import HTTP_Server


def measure():
    # A real sensor would be asked here. This one is at 20 degrees, give or take one.
    return 20 + machine.rng() % 200 / 100 - 1


HTTP_Server.init()
temperature = HTTP_Server.add_resource("/temperature", content_type=HTTP_Server.PLAIN, value="none yet")
temperature.register_request_handler(HTTP_Server.GET)

while True:
    temperature.value("{:.2f}".format(measure()))
    time.sleep(1)
