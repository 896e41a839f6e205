# A server and a client in one script: it asks itself, and prints the answer.
#
#   roost run --exit client.py

from network import WLAN
from network import HTTP_Client
from network import HTTP_Server


# Called with each answer, before send_request returns.
def answered(status, headers, body):
    print("Status:", status)
    print("Content-Type:", headers.get("Content-Type"))
    print("Body:", body)


HTTP_Server.init()
greeting = HTTP_Server.add_resource("/greeting", value="Hello Client!")
greeting.register_request_handler(HTTP_Server.GET | HTTP_Server.PUT)

# Port 80 of this machine leads to wherever the server really listens.
address = WLAN().ifconfig()[0]
HTTP_Client.init("http://" + address + "/greeting", callback=answered)

HTTP_Client.send_request()
HTTP_Client.send_request(method=HTTP_Client.PUT, body="Hello Server!")
print("The value is now:", greeting.value())

HTTP_Client.deinit()
