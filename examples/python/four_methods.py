# A notebook that clients read, change, extend and clear, and a script that keeps count.
#
#   roost run four_methods.py
#
# and, with the port that roost prints, here 8080:
#
#   curl http://127.0.0.1:8080/notes                      GET: read it
#   curl -X PUT -d 'my notes' http://127.0.0.1:8080/notes   PUT: change it
#   curl -d 'buy milk' http://127.0.0.1:8080/notes          POST: add a note below it
#   curl -X DELETE http://127.0.0.1:8080/notes/12345        DELETE: remove one (POST told its URI)

from network import HTTP_Server

NAMES = {
    HTTP_Server.GET: "GET",
    HTTP_Server.PUT: "PUT",
    HTTP_Server.POST: "POST",
    HTTP_Server.DELETE: "DELETE",
}


def told(uri, method, headers, body, new_uri, status):
    print(NAMES[method], uri, "->", status)
    if status == 204 and method == HTTP_Server.PUT:
        print("  is now:", body)
    if status == 201:
        # What POST made is a resource like any other, and answers as its parent does.
        note = HTTP_Server.get_resource(new_uri)
        print("  new:", new_uri, "=", note.value())
    print("  all:", ", ".join(HTTP_Server.list_resource("/notes")))


HTTP_Server.init()
notes = HTTP_Server.add_resource("/notes", content_type=HTTP_Server.PLAIN, value="nothing yet")
notes.register_request_handler(
    HTTP_Server.GET | HTTP_Server.PUT | HTTP_Server.POST | HTTP_Server.DELETE, callback=told)
