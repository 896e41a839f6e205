# The first script: two resources, and a callback that tells of each request.
#
#   roost run quick_start.py
#
# and, with the port that roost prints, here 8080:
#
#   curl http://127.0.0.1:8080/resource1
#   curl -X PUT -d Hi http://127.0.0.1:8080/resource2

from network import WLAN
from network import HTTP_Server


# Called after each answer to a request for /resource2.
def told(uri, method, headers, body, new_uri, status):
    print("URI:", uri)
    print("Method:", method)
    print("Headers:", headers)
    print("Body:", body)
    print("New URI:", new_uri)
    print("Status:", status)


# On a device this joins the network. On a PC there is one already.
wlan = WLAN(mode=WLAN.STA)
wlan.connect("my-network", auth=(WLAN.WPA2, "my-password"))
while not wlan.isconnected():
    pass
print("My address is", wlan.ifconfig()[0])

HTTP_Server.init()

greeting = HTTP_Server.add_resource("/resource1", value="Hello Client!")
greeting.register_request_handler(HTTP_Server.GET)

# Without a value a resource begins as 0.
counter = HTTP_Server.add_resource("/resource2")
counter.register_request_handler(
    HTTP_Server.GET | HTTP_Server.PUT | HTTP_Server.POST | HTTP_Server.DELETE, callback=told)

# The script ends here. The server goes on until Ctrl-C.
