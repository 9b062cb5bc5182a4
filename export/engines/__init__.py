"""TensorRT engines: plans of a graph, built here or by a script on the serving host."""
